/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * intake.h - where what a connection receives lies.
 *
 * A stream keeps the pages of the record under way, in an array that the
 * connection has while there are any.  A receive goes into one of the two
 * vectors of the loop, single pages or one run, of which the stream takes what
 * was filled; or into pages that the stream has for the rest of a long record.
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
	void **slots;	      /* the stream's array: NULL while it is empty */
	uint32_t last_length; /* of the last call, in bytes on the wire */
	uint32_t next_length; /* of the next, looked at in the socket; or 0 */
	uint8_t small_calls;  /* in a row, up to SMALL_CALLS */
	bool moved;	      /* the call under way, to a run */
	bool readable;	      /* bytes, or the end, may be in the socket */
};

/* Gives the stream an array to keep its pages in; false: there is no heap. */
bool intake_open(struct rpcbuf_conn *conn);

/*
 * intake_offer - where the next bytes go, and how many to ask the socket for: up
 * to @most.
 *
 * Fills the loop's vector, and up to @max entries of @iov; returns how many these
 * are, or 0: there are no pages now, and the vector is queued for some.
 */
unsigned int intake_offer(struct rpcbuf_conn *conn, size_t most,
			  struct iovec *iov, unsigned int max);

/* The first @len bytes of what was offered are there. */
void intake_commit(struct rpcbuf_conn *conn, size_t len);

/* Can the mark in the socket tell more of the record that comes next than is
 * known, and is it long as the last one was?  Then what it tells: bytes, with
 * the mark, or 0 when that is no record that may be received. */
bool intake_should_peek(const struct rpcbuf_conn *conn);
void intake_expect(struct rpcbuf_conn *conn, uint32_t bytes);

/* Bytes that are still to come of the record that is to be received from, as far
 * as they are known; else 0. */
uint32_t intake_wanted(const struct rpcbuf_conn *conn);

/* A message of @length bytes was taken from the stream. */
void intake_taken(struct rpcbuf_conn *conn, uint32_t length);

/* The loop turns to others: what is not needed meanwhile is given back. */
void intake_idle(struct rpcbuf_conn *conn);
/* Memory is short: pages that wait for bytes can be spared. */
void intake_trim(struct rpcbuf_conn *conn);
/* What has come is dropped. */
void intake_reset(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_INTAKE_H */
