/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/writer.h - writes a record into pages, those of a reply as a rule.
 *
 * What is written is a row of extents: bytes in pages of the reply's, and bytes
 * that lie elsewhere and are only referred to.  From `at` to `end` is the window
 * of a page in which the caller writes itself, by moving `at`; the functions take
 * over at its end.  One may go back to what was written, and put bytes in
 * between, as a seal over what is there already needs.
 *
 * Pages come without waiting, in bulk; where there are none, one at a time from a
 * reserve.  One thread at a time.
 * (The kernel's xdr_reserve_space() and xdr_write_pages(), net/sunrpc/xdr.c.)
 */
#ifndef RPCBUF_WRITER_H
#define RPCBUF_WRITER_H

#include <rpcbuf/reply.h>
#include <rpcbuf/respages.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPCBUF_WRITER_FEW   24u
#define RPCBUF_WRITER_PAGES 16u

/* In a page, with room for more behind it, or referred to, without. */
struct rpcbuf_extent {
	uint8_t *base;
	uint32_t length, room;
};

/* The extents of a record. */
struct rpcbuf_extents {
	struct rpcbuf_extent *all, few[RPCBUF_WRITER_FEW];
	unsigned int nr, max;
};

/* Pages that are not used yet. */
struct rpcbuf_ready {
	struct rpcbuf *mm;
	struct rpcbuf_mempool *pool;
	struct rpcbuf_respages *respages;
	bool out_of_pages; /* there was none */
	unsigned int nr, next, grow, nr_reserved;
	void *pages[RPCBUF_WRITER_PAGES];
};

struct rpcbuf_writer {
	uint8_t *at, *end;	    /* the window */
	struct rpcbuf_reply *reply; /* owns what was used, and is told by the
				     * caller who owns what it refers to */
	/* Private. */
	struct rpcbuf_extents extents;
	unsigned int current; /* of the extents */
	uint32_t before;      /* bytes in front of that one */
	uint32_t flushed;     /* ... and of the first */
	uint8_t *(*more)(struct rpcbuf_writer *writer, uint32_t *room);
	struct rpcbuf_ready ready;
};

/*
 * rpcbuf_writer_begin - a record without a byte, behind room for its mark.
 *
 * @pages: of @mm; they go back there.  @respages are used first, and have what
 * is left of the pages when the record ends; they outlive the writer, which
 * alone uses them meanwhile.  NULL: there are none.  0; or -ENOMEM, and there is
 * nothing to end.
 */
int rpcbuf_writer_begin(struct rpcbuf_writer *writer, struct rpcbuf *mm,
			struct rpcbuf_mempool *pages,
			struct rpcbuf_respages *respages);

/*
 * rpcbuf_writer_begin_in - the same in memory of the caller's, without a reply.
 *
 * @more returns where the next *@room bytes are, at least one, or NULL.  It may
 * take what was written out of the writer, and send it: rpcbuf_writer_flush().
 * What rpcbuf_writer_extents() tells is the record; rpcbuf_writer_exit() ends
 * it, and frees none of that memory.
 */
void rpcbuf_writer_begin_in(struct rpcbuf_writer *writer,
			    uint8_t *(*more)(struct rpcbuf_writer *writer,
					     uint32_t *room));
void rpcbuf_writer_exit(struct rpcbuf_writer *writer);

/* Forgets what was written; the position stays, and one cannot go back before
 * it. */
void rpcbuf_writer_flush(struct rpcbuf_writer *writer);

/*
 * rpcbuf_writer_end - the record is complete, or dropped.
 *
 * @keep: *reply gets it, marked, and 0 is returned, or -ENOMEM.  Otherwise the
 * reply is freed, with what it owns: -ENOMEM when there was a page too few,
 * -ECANCELED.
 */
int rpcbuf_writer_end(struct rpcbuf_writer *writer, bool keep,
		      struct rpcbuf_reply **reply);

/* The functions below return false when there is no page or memory, or the
 * position is not the end, where they write from there on. */

/* On with a new page. */
bool rpcbuf_writer_page(struct rpcbuf_writer *writer);
/* @len bytes, over as many pages as it takes; after going back, over those that
 * are there, but not over what is referred to. */
bool rpcbuf_writer_put(struct rpcbuf_writer *writer, const void *from,
		       size_t len);
/* @len bytes that stay at @base until the reply is freed. */
bool rpcbuf_writer_refer(struct rpcbuf_writer *writer, void *base, size_t len);

/* Of the record, without its mark. */
uint32_t rpcbuf_writer_position(const struct rpcbuf_writer *writer);
/* Bytes that were written since the record began, or since they were flushed. */
uint32_t rpcbuf_writer_length(struct rpcbuf_writer *writer);
/* Back, or forth to the end, but not amid what is referred to; there the window
 * ends with the extent. */
bool rpcbuf_writer_seek(struct rpcbuf_writer *writer, uint32_t position);

/* The extents of @len bytes from @start: how many, and they themselves where
 * @iov is not NULL; -1 when so many were not written. */
int rpcbuf_writer_extents(struct rpcbuf_writer *writer, uint32_t start,
			  uint32_t len, struct iovec *iov);

/*
 * @len bytes in one piece, at most a page, for the caller to write: at the end; or
 * in front of @position, where a page was begun (rpcbuf_writer_page()).
 *
 * Returns where they are, and the position is the end then; NULL as above.
 */
void *rpcbuf_writer_append(struct rpcbuf_writer *writer, uint32_t len);
void *rpcbuf_writer_insert(struct rpcbuf_writer *writer, uint32_t position,
			   uint32_t len);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_WRITER_H */
