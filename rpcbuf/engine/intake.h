/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * intake.h - the pages that a connection receives into.
 *
 * A stream has the pages of the record under way, in an array that exists while
 * there are any.  A receive fills one of the two vectors of the loop, single
 * pages or one run, and the stream takes the filled pages; or it fills pages
 * that the stream preallocated for the rest of a long record.
 *
 * The owner of the loop only.
 */
#ifndef RPCBUF_ENGINE_INTAKE_H
#define RPCBUF_ENGINE_INTAKE_H

#include <rpcbuf/stream.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct rpcbuf_conn;
struct rpcbuf_rqst;

/* Of a connection. */
struct intake {
	struct rpcbuf_stream stream;
	void **slots;	      /* the stream's array; NULL while it is empty */
	uint32_t last_length; /* of the last call, in bytes on the wire */
	uint32_t next_length; /* of the next one, peeked; 0: not peeked */
	uint8_t small_calls;  /* in a row, up to SMALL_CALLS */
	bool moved;	      /* the call under way was moved to a run */
	bool readable;	      /* bytes, or the end, may be in the socket */
};

/* Gives the stream an array for its pages; false: there is no heap. */
bool intake_open(struct rpcbuf_conn *conn);

/*
 * intake_offer - the space for the next receive, at most @most bytes.
 *
 * Fills the loop's vector with pages, and up to @max entries of @iov.  Returns
 * the number of these; 0: there are no pages now, and the vector is queued for
 * some.
 */
unsigned int intake_offer(struct rpcbuf_conn *conn, size_t most,
			  struct iovec *iov, unsigned int max);

/* The first @len bytes of the offered space were received. */
void intake_commit(struct rpcbuf_conn *conn, size_t len);

/* True when the next record is likely to be long, as the last one was, and its
 * length is not known: peek its mark. */
bool intake_should_peek(const struct rpcbuf_conn *conn);
/* @bytes: of the next record, as peeked, with its mark; 0: the mark does not
 * give the length. */
void intake_expect(struct rpcbuf_conn *conn, uint32_t bytes);

/* Bytes that are still to come of the record under way, or of the next one; 0:
 * not known. */
uint32_t intake_wanted(const struct rpcbuf_conn *conn);

/* A message of @length bytes was taken from the stream. */
void intake_taken(struct rpcbuf_conn *conn, uint32_t length);

/* The loop moves on to other connections: releases what @conn does not need
 * meanwhile. */
void intake_idle(struct rpcbuf_conn *conn);
/* Memory is short: releases preallocated pages. */
void intake_trim(struct rpcbuf_conn *conn);
/* Drops the record under way. */
void intake_reset(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_INTAKE_H */
