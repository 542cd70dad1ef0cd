/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/cursor.h - a message in pages, and a byte cursor over it.
 *
 * A message lies in its pages as it came over the wire: it starts anywhere in
 * the first page, and the marks of a record of several fragments are still
 * between its bytes.  Nothing was moved to get there.  The cursor steps over
 * page edges and marks, and hands out contiguous bytes where there are any.
 *
 * Threads: a message is read-only; one thread at a time uses a cursor.
 */
#ifndef RPCBUF_CURSOR_H
#define RPCBUF_CURSOR_H

#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A received message.  It holds one reference on each of its pages; the first
 * and the last may be shared with its neighbours in the stream.
 */
struct rpcbuf_message {
	struct rpcbuf *mm;
	void **pages;	      /* nr_pages addresses */
	uint32_t nr_pages;
	uint32_t nr_runs;     /* stretches of pages adjacent in memory */
	uint32_t offset;      /* of the first mark in pages[0] */
	uint32_t wire_length; /* bytes on the wire, marks included */
	uint32_t length;      /* bytes of the message, marks not counted */
	uint32_t fragments;
	bool run; /* give the pages back with rpcbuf_free_run() */
};

/* Drops the message's references; its pages array is all NULL afterwards. */
void rpcbuf_message_release(struct rpcbuf_message *message);

struct rpcbuf_cursor {
	const struct rpcbuf_message *message;
	uint32_t position;	/* in the message: 0 is the xid */
	uint32_t wire;		/* in the wire bytes: 0 is the first mark */
	uint32_t fragment_left; /* message bytes left in this fragment */
};

/* Positions the cursor at byte 0 of the message. */
void rpcbuf_cursor_init(struct rpcbuf_cursor *cursor,
			const struct rpcbuf_message *message);

/* Bytes between the cursor and the end of the message. */
static inline uint32_t rpcbuf_cursor_left(const struct rpcbuf_cursor *cursor)
{
	return cursor->message->length - cursor->position;
}

/*
 * rpcbuf_cursor_window - the contiguous bytes at the cursor.
 *
 * They end at a gap between pages, at the end of a fragment, or at the end of
 * the message.  Returns their address and stores their number, at least 1, in
 * *len; NULL and 0 at the end of the message.  The cursor does not move.
 */
const uint8_t *rpcbuf_cursor_window(struct rpcbuf_cursor *cursor, size_t *len);

/*
 * rpcbuf_cursor_read - copy @len bytes and step over them.
 *
 * Returns 0, or -ENODATA when fewer are left; the cursor stays then.
 */
int rpcbuf_cursor_read(struct rpcbuf_cursor *cursor, void *to, size_t len);

/* Steps over @len bytes: 0, or -ENODATA when fewer are left. */
int rpcbuf_cursor_skip(struct rpcbuf_cursor *cursor, size_t len);

/* Goes to byte @position of the message, forwards or backwards: 0, or -ERANGE
 * when it lies behind the end; the cursor stays then. */
int rpcbuf_cursor_seek(struct rpcbuf_cursor *cursor, uint32_t position);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_CURSOR_H */
