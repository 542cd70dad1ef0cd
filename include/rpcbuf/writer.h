/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/writer.h - writes a record into pages, usually those of a reply.
 *
 * A written record is a list of extents: bytes in pages of the reply, and bytes
 * elsewhere that are only referred to.  The caller may write from `at` up to
 * `end` itself, and moves `at`; the functions below continue at `end`.  It may
 * go back to what was written, and insert bytes, as is needed to seal what is
 * there already.
 *
 * Pages are allocated in bulk; without free memory, one at a time from a
 * reserve.  Never waits.  One thread at a time.  (The kernel's
 * xdr_reserve_space() and xdr_write_pages(), net/sunrpc/xdr.c.)
 */
#ifndef RPCBUF_WRITER_H
#define RPCBUF_WRITER_H

#include <rpcbuf/reply.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPCBUF_WRITER_FEW   24u
#define RPCBUF_WRITER_PAGES 16u

/* In a page, with @room bytes in all; or referred to, with @room 0. */
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
	bool out_of_pages; /* an allocation failed */
	unsigned int nr, next, grow, nr_reserved;
	void *pages[RPCBUF_WRITER_PAGES];
};

struct rpcbuf_writer {
	uint8_t *at, *end;	    /* where the caller may write */
	struct rpcbuf_reply *reply; /* owns the pages used; the caller adds the
				     * owners of referred bytes */
	/* Private. */
	struct rpcbuf_extents extents;
	unsigned int current; /* index of an extent */
	uint32_t before;      /* bytes in front of that extent */
	uint32_t flushed;     /* ... and in front of the first one */
	uint8_t *(*more)(struct rpcbuf_writer *writer, uint32_t *room);
	struct rpcbuf_ready ready;
};

/*
 * rpcbuf_writer_begin - begins a record in a new reply, behind the room for its
 * mark.
 *
 * @pages: of @mm; the reply's pages are freed to it.  @respages are used first,
 * and get pages that are left when the record ends; they outlive the writer,
 * and nothing else uses them meanwhile.  NULL: none.  Returns 0; or -ENOMEM,
 * and there is nothing to end.
 */
int rpcbuf_writer_begin(struct rpcbuf_writer *writer, struct rpcbuf *mm,
			struct rpcbuf_mempool *pages,
			struct rpcbuf_respages *respages);

/*
 * rpcbuf_writer_begin_in - begins a record in memory of the caller, without a
 * reply.
 *
 * @more returns the address of the next *@room bytes, at least 1; or NULL.  It
 * may take what was written, and send it: rpcbuf_writer_flush().
 * rpcbuf_writer_iov() gives the record; rpcbuf_writer_exit() ends it, and
 * frees none of that memory.
 */
void rpcbuf_writer_begin_in(struct rpcbuf_writer *writer,
			    uint8_t *(*more)(struct rpcbuf_writer *writer,
					     uint32_t *room));
void rpcbuf_writer_exit(struct rpcbuf_writer *writer);

/* Drops what was written.  The position stays, and cannot go back before this
 * point. */
void rpcbuf_writer_flush(struct rpcbuf_writer *writer);

/*
 * rpcbuf_writer_end - completes the record, or drops it.
 *
 * @keep: marks the record and returns it in *reply; 0 or -ENOMEM.  Otherwise,
 * and on an error, the reply is freed with what it owns.  Without @keep returns
 * -ENOMEM when a page was missing, else -ECANCELED.
 */
int rpcbuf_writer_end(struct rpcbuf_writer *writer, bool keep,
		      struct rpcbuf_reply **reply);

/*
 * The functions below return 0 or an error:
 *   -ENOMEM  there is no page, or no memory for the list of pieces
 *   -EINVAL  the position is not the end, where they write from there on
 */

/* Ends the page at hand and begins a new one, at the end. */
int rpcbuf_writer_next_page(struct rpcbuf_writer *writer);

/*
 * rpcbuf_writer_put - copy @len bytes to the position, over as many pages as it
 * takes.
 *
 * Behind rpcbuf_writer_seek() they replace what is there; -EINVAL where they would
 * reach bytes that are referred to.
 */
int rpcbuf_writer_put(struct rpcbuf_writer *writer, const void *from,
		      size_t len);

/* Appends a reference to the @len bytes at @base, which stay as they are until
 * the reply is freed.  -EINVAL also for more than UINT32_MAX bytes. */
int rpcbuf_writer_refer(struct rpcbuf_writer *writer, void *base, size_t len);

/* The position in the record, in bytes, its mark not counted. */
uint32_t rpcbuf_writer_position(const struct rpcbuf_writer *writer);

/* Bytes written since the record began, or since they were flushed. */
uint32_t rpcbuf_writer_length(struct rpcbuf_writer *writer);

/* Goes to @position, from 0 to the end.  -ERANGE when it lies beyond the end, in
 * what was flushed, or within bytes that are referred to; at the start of these the
 * window is empty. */
int rpcbuf_writer_seek(struct rpcbuf_writer *writer, uint32_t position);

/* Returns how many pieces the @len bytes from @start are, and writes them to
 * @iov unless that is NULL; -ERANGE when not all of them were written. */
int rpcbuf_writer_iov(struct rpcbuf_writer *writer, uint32_t start,
		      uint32_t len, struct iovec *iov);

/*
 * @len bytes in one piece, at most a page, for the caller to write: at the end; or
 * in front of @position, where a page was begun (rpcbuf_writer_next_page()).
 *
 * Returns 0 with their address in *bytes, and the position is the end then;
 * -ENOMEM, or -EINVAL for another @len or @position.
 */
int rpcbuf_writer_append(struct rpcbuf_writer *writer, uint32_t len,
			 void **bytes);
int rpcbuf_writer_insert(struct rpcbuf_writer *writer, uint32_t position,
			 uint32_t len, void **bytes);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_WRITER_H */
