/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/stream.h - the received bytes of a connection that are not yet calls.
 *
 * A stream owns the pages behind the last complete record: usually none, the
 * pages of a partial record while one is under way.  Bytes are read into its
 * last page and into the pages of a request vector; what was written to moves
 * from the vector to the stream, and from there, without a copy, into messages.
 * A page that two messages share carries an extra reference.
 *
 * Bytes and offsets only, never a descriptor.  Threads: one at a time.
 */
#ifndef RPCBUF_STREAM_H
#define RPCBUF_STREAM_H

#include <rpcbuf/cursor.h>
#include <rpcbuf/record.h>
#include <rpcbuf/rqst.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_stream {
	struct rpcbuf *mm;
	void **pages;	   /* slots, the caller's */
	uint32_t nr_slots;
	uint32_t nr_pages;
	uint32_t nr_spare; /* behind these: for the rest of the record */
	uint32_t head;	   /* first byte of the record under way, in pages[0] */
	uint32_t parsed;   /* bytes behind head that the machine has seen */
	uint32_t filled;   /* bytes behind head that have arrived */
	bool run;	   /* some of the pages are of a run */
	struct rpcbuf_record_machine machine;
};

/*
 * Slots that a stream needs so that any record within @limits fits, with its
 * marks, from any offset, and @read_ahead bytes behind it.
 */
uint32_t rpcbuf_stream_slots(const struct rpcbuf_record_limits *limits,
			     size_t read_ahead);

/* An empty stream over @slots; the array must outlive the stream's pages. */
void rpcbuf_stream_init(struct rpcbuf_stream *stream, struct rpcbuf *mm,
			void **slots, uint32_t nr_slots);

/* Gives the pages back; the stream is empty and at the start of a record. */
void rpcbuf_stream_reset(struct rpcbuf_stream *stream);

/* True when it holds no byte and no page. */
bool rpcbuf_stream_empty(const struct rpcbuf_stream *stream);

/*
 * rpcbuf_stream_iov - where the next bytes go.
 *
 * The room in the stream's last page, then its spare pages, or if it has none
 * the pages in front of @rqst: up to @want bytes in all, adjacent pages as one
 * entry, at most @max_iov entries.  Returns how many entries were written, 0
 * when the stream has no slot left (a full vector within its limits never gets
 * there).
 */
unsigned int rpcbuf_stream_iov(const struct rpcbuf_stream *stream,
			       struct rpcbuf_rqst *rqst, size_t want,
			       struct iovec *iov, unsigned int max_iov);

/* The first @len bytes of those entries were written to: takes their pages
 * out of @rqst, which was not filled since. */
void rpcbuf_stream_commit(struct rpcbuf_stream *stream,
			  struct rpcbuf_rqst *rqst, size_t len);

/*
 * rpcbuf_stream_reserve - take the pages for the rest of the record now.
 *
 * @rqst: is filled for it, with the wish for a run, and gives the run.
 * @wanted: its bytes, mark included, that have not come, as far as is known: it
 * is the record that all bytes of the stream belong to, or the next one.  The
 * pages are adjacent, and the record ends where a page does: what it begins
 * with beyond whole pages, a header as a rule, takes a page of its own if that
 * is little, so that a payload of 2^n pages needs no more.  Bytes that have
 * come already are copied there, and are in *@copied.
 *
 * Returns 0; -ENOMEM when there is no such run or no slot, -E2BIG when too much
 * has come to copy it; the stream has not changed then.  Never waits; @rqst may be
 * queued for pages afterwards (rpcbuf_rqst_try_fill()).
 */
int rpcbuf_stream_reserve(struct rpcbuf_stream *stream,
			  struct rpcbuf_rqst *rqst, uint32_t wanted,
			  uint32_t *copied);

/* Gives the spare pages back: the rest goes where other bytes do. */
void rpcbuf_stream_trim(struct rpcbuf_stream *stream);

/* The page that would continue the stream's last one in memory, or NULL. */
const void *rpcbuf_stream_next_page(const struct rpcbuf_stream *stream);

/*
 * rpcbuf_stream_move - copy the bytes of a stream to other pages.
 *
 * For one without spare pages.  @pages: as many as the stream has, which
 * becomes their owner; those that it had are in @pages afterwards, the caller's
 * to give back.  @run: @pages are of a run.
 */
void rpcbuf_stream_move(struct rpcbuf_stream *stream, void **pages, bool run);

/*
 * rpcbuf_stream_next - take the next complete message out.
 *
 * @message: its `pages` must have room for nr_slots addresses; the other
 * members are written.  Returns 1 with a message, which the caller releases;
 * 0 when none is complete; or the errors of rpcbuf_record_feed().
 */
int rpcbuf_stream_next(struct rpcbuf_stream *stream,
		       const struct rpcbuf_record_limits *limits,
		       struct rpcbuf_message *message,
		       struct rpcbuf_record_refusal *refusal);

/* Whether the next message is complete, as far as the first mark of a record
 * that was not looked at yet can tell: cheap, and for hints only. */
bool rpcbuf_stream_ready(const struct rpcbuf_stream *stream);

/* Bytes certainly still missing from the record under way. */
uint32_t rpcbuf_stream_wanted(const struct rpcbuf_stream *stream);

/* Bytes that have arrived and are not part of a message yet. */
static inline uint32_t rpcbuf_stream_bytes(const struct rpcbuf_stream *stream)
{
	return stream->filled;
}

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_STREAM_H */
