/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reads where the message lies, as mostly its first bytes are adjacent there;
 * else they are copied.
 */
#include "rpcbuf/rqst/handle.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/rqst/nfs.h"

#define OP_PUTFH      22
#define OP_PUTPUBFH   23
#define OP_PUTROOTFH  24
#define OP_SEQUENCE   53
#define SEQUENCE_ARGS 32

/* Words of a call up to its arguments, credential and verifier empty. */
enum {
	DIRECTION = 1,
	PROGRAM = 3,
	VERSION,
	PROCEDURE,
	FLAVOR,
	HEAD = 10
};

struct view {
	const uint8_t *at;
	size_t left;
};

/* Word number @n; there are as many. */
static uint32_t word(const struct view *view, unsigned int n)
{
	uint32_t value;

	memcpy(&value, view->at + n * sizeof(value), sizeof(value));
	return be32toh(value);
}

static bool skip(struct view *view, size_t bytes)
{
	if (bytes > view->left)
		return false;
	view->at += bytes;
	view->left -= bytes;
	return true;
}

static bool take(struct view *view, uint32_t *value)
{
	if (view->left < sizeof(*value))
		return false;
	*value = word(view, 0);
	return skip(view, sizeof(*value));
}

/* A count of bytes, and these, padded. */
static bool skip_counted(struct view *view)
{
	uint32_t count;

	return take(view, &count) &&
	       skip(view, ((size_t)count + 3) & ~(size_t)3);
}

static int copy(struct view *view, void *to, size_t len)
{
	uint32_t length;

	if (!take(view, &length) || length < len || view->left < len)
		return -ENOENT;
	memcpy(to, view->at, len);
	return 0;
}

static int find_in_compound(struct view *view, void *to, size_t len)
{
	uint32_t nr, op;

	/* tag; minor version */
	if (!skip_counted(view) || !skip(view, sizeof(uint32_t)) ||
	    !take(view, &nr) || !nr || !take(view, &op))
		return -ENOENT;
	if (op == OP_SEQUENCE &&
	    (nr == 1 || !skip(view, SEQUENCE_ARGS) || !take(view, &op)))
		return -ENOENT;
	if (op == OP_PUTROOTFH || op == OP_PUTPUBFH)
		return -ENXIO;
	return op == OP_PUTFH ? copy(view, to, len) : -ENOENT;
}

int handle_in_arguments(uint32_t program, uint32_t version, uint32_t procedure,
			const void *arguments, size_t size, void *to,
			size_t len)
{
	struct view view = {arguments, size};

	if (nfs_is_compound(program, version, procedure))
		return find_in_compound(&view, to, len);
	if (version != NFS_V3 || !procedure ||
	    (program != NFS_PROGRAM && program != ACL_PROGRAM))
		return -ENOENT;
	return copy(&view, to, len);
}

static int find(const struct view *call, void *to, size_t len)
{
	struct view rest = *call;

	if (call->left < HEAD * sizeof(uint32_t) || word(call, DIRECTION) ||
	    word(call, FLAVOR) == GSS_FLAVOR)
		return -ENOENT;
	skip(&rest, (FLAVOR + 1) * sizeof(uint32_t));
	/* ... and the verifier, of any flavor */
	if (!skip_counted(&rest) || !skip(&rest, sizeof(uint32_t)) ||
	    !skip_counted(&rest))
		return -ENOENT;
	return handle_in_arguments(word(call, PROGRAM), word(call, VERSION),
				   word(call, PROCEDURE), rest.at, rest.left,
				   to, len);
}

int handle_find(const struct rpcbuf_message *message, void *to, size_t len)
{
	size_t least = rpcbuf_min(message->length, HANDLE_WITHIN);
	struct rpcbuf_cursor cursor;
	uint8_t bytes[HANDLE_WITHIN];
	struct view view;

	rpcbuf_cursor_init(&cursor, message);
	view.at = rpcbuf_cursor_window(&cursor, &view.left);
	if (view.left < least) {
		rpcbuf_cursor_read(&cursor, bytes, least);
		view = (struct view){bytes, least};
	}
	return find(&view, to, len);
}
