/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a message says it is.  To find the operations of a compound their
 * arguments are stepped over, and so the shape of each has to be known; the
 * walk ends at one whose shape is not.  Runs only while somebody traces.
 */
#include <endian.h>
#include <string.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/rqst/nfs.h"
#include "rpcbuf/rqst/peek.h"

#define GSS_DATA      0
#define GSS_NONE      1
#define GSS_INTEGRITY 2

#define OP_CREATE     6
#define OP_LOCK	      12
#define OP_OPEN	      18

/*
 * Arguments of operations: 4 and 8 are so many bytes, s a stateid, a session or
 * a device (16), o counted bytes, b a bitmap, f attributes, z an array that
 * must be empty.  What depends on what stands before has a function.
 */
static const char *const shapes[] = {
	[3] = "4",	   /* ACCESS */
	[4] = "4s",	   /* CLOSE */
	[5] = "84",	   /* COMMIT */
	[7] = "8",	   /* DELEGPURGE */
	[8] = "s",	   /* DELEGRETURN */
	[9] = "b",	   /* GETATTR */
	[10] = "",	   /* GETFH */
	[11] = "o",	   /* LINK */
	[13] = "4888o",	   /* LOCKT */
	[14] = "44s88",	   /* LOCKU */
	[15] = "o",	   /* LOOKUP */
	[16] = "",	   /* LOOKUPP */
	[17] = "f",	   /* NVERIFY */
	[19] = "4",	   /* OPENATTR */
	[20] = "s4",	   /* OPEN_CONFIRM */
	[21] = "s444",	   /* OPEN_DOWNGRADE */
	[22] = "o",	   /* PUTFH */
	[23] = "",	   /* PUTPUBFH */
	[24] = "",	   /* PUTROOTFH */
	[25] = "s84",	   /* READ */
	[26] = "8844b",	   /* READDIR */
	[27] = "",	   /* READLINK */
	[28] = "o",	   /* REMOVE */
	[29] = "oo",	   /* RENAME */
	[30] = "8",	   /* RENEW */
	[31] = "",	   /* RESTOREFH */
	[32] = "",	   /* SAVEFH */
	[33] = "o",	   /* SECINFO */
	[34] = "sf",	   /* SETATTR */
	[35] = "8o4oo4",   /* SETCLIENTID */
	[36] = "88",	   /* SETCLIENTID_CONFIRM */
	[37] = "f",	   /* VERIFY */
	[38] = "s84o",	   /* WRITE */
	[39] = "8o",	   /* RELEASE_LOCKOWNER */
	[41] = "s44",	   /* BIND_CONN_TO_SESSION */
	[44] = "s",	   /* DESTROY_SESSION */
	[45] = "s",	   /* FREE_STATEID */
	[47] = "s44b",	   /* GETDEVICEINFO */
	[48] = "4488",	   /* GETDEVICELIST */
	[50] = "444888s4", /* LAYOUTGET */
	[52] = "4",	   /* SECINFO_NO_NAME */
	[53] = "s4444",	   /* SEQUENCE */
	[54] = "oo",	   /* SET_SSV */
	[57] = "8",	   /* DESTROY_CLIENTID */
	[58] = "4",	   /* RECLAIM_COMPLETE */
	[59] = "s88",	   /* ALLOCATE */
	[60] = "ss88844z", /* COPY */
	[62] = "s88",	   /* DEALLOCATE */
	[63] = "s88b",	   /* IO_ADVISE */
	[66] = "s",	   /* OFFLOAD_CANCEL */
	[67] = "s",	   /* OFFLOAD_STATUS */
	[68] = "s84",	   /* READ_PLUS */
	[69] = "s84",	   /* SEEK */
	[71] = "ss888",	   /* CLONE */
	[72] = "o",	   /* GETXATTR */
	[73] = "4oo",	   /* SETXATTR */
	[74] = "84",	   /* LISTXATTRS */
	[75] = "o",	   /* REMOVEXATTR */
};

static bool take(struct rpcbuf_cursor *cursor, uint32_t *value)
{
	if (rpcbuf_cursor_read(cursor, value, sizeof(*value)))
		return false;
	*value = be32toh(*value);
	return true;
}

static bool skip(struct rpcbuf_cursor *cursor, size_t bytes)
{
	return rpcbuf_cursor_skip(cursor, bytes) == 0;
}

/* A count of units of @unit bytes, and these, padded. */
static bool skip_counted(struct rpcbuf_cursor *cursor, size_t unit)
{
	uint32_t count;

	return take(cursor, &count) &&
	       skip(cursor, (count * unit + 3) & ~(size_t)3);
}

static bool skip_field(struct rpcbuf_cursor *cursor, char field)
{
	uint32_t value;

	switch (field) {
	case '4':
		return skip(cursor, 4);
	case '8':
		return skip(cursor, 8);
	case 's':
		return skip(cursor, 16);
	case 'o':
		return skip_counted(cursor, 1);
	case 'b':
		return skip_counted(cursor, 4);
	case 'f':
		return skip_counted(cursor, 4) && skip_counted(cursor, 1);
	default:
		return take(cursor, &value) && !value;
	}
}

static bool skip_shape(struct rpcbuf_cursor *cursor, const char *shape)
{
	for (; *shape; shape++)
		if (!skip_field(cursor, *shape))
			return false;
	return true;
}

/* A value, and what follows in its case. */
static bool skip_case(struct rpcbuf_cursor *cursor, const char *const *cases,
		      uint32_t nr)
{
	uint32_t value;

	return take(cursor, &value) && value < nr && cases[value] &&
	       skip_shape(cursor, cases[value]);
}

#define NR(array) (sizeof(array) / sizeof(*(array)))

static bool skip_create(struct rpcbuf_cursor *cursor)
{
	static const char *const types[] = {
		[1] = "of",  [2] = "of", [3] = "8of", [4] = "8of",
		[5] = "oof", [6] = "of", [7] = "of",
	};

	return skip_case(cursor, types, NR(types));
}

static bool skip_lock(struct rpcbuf_cursor *cursor)
{
	static const char *const lockers[] = {"s4", "4s48o"};

	return skip_shape(cursor, "4488") &&
	       skip_case(cursor, lockers, NR(lockers));
}

static bool skip_open(struct rpcbuf_cursor *cursor)
{
	static const char *const modes[] = {"f", "f", "8", "8f"};
	static const char *const claims[] = {"o", "4", "so", "o", "", "s", ""};
	uint32_t create;

	if (!skip_shape(cursor, "4448o") || !take(cursor, &create) ||
	    (create && !skip_case(cursor, modes, NR(modes))))
		return false;
	return skip_case(cursor, claims, NR(claims));
}

static bool skip_operation(struct rpcbuf_cursor *cursor, uint32_t op)
{
	switch (op) {
	case OP_CREATE:
		return skip_create(cursor);
	case OP_LOCK:
		return skip_lock(cursor);
	case OP_OPEN:
		return skip_open(cursor);
	default:
		return op < NR(shapes) && shapes[op] &&
		       skip_shape(cursor, shapes[op]);
	}
}

static bool find_operations(struct peek *peek, struct rpcbuf_cursor *cursor)
{
	uint32_t nr, op;

	/* tag, minor version */
	if (!skip_shape(cursor, "o4") || !take(cursor, &nr))
		return false;
	peek->nr_ops = (uint8_t)rpcbuf_min(nr, 255u);
	nr = rpcbuf_min(nr, (uint32_t)PEEK_OPS);
	for (uint32_t i = 0; i < nr; i++) {
		if (!take(cursor, &op))
			return false;
		peek->ops[i] = (uint8_t)rpcbuf_min(op, 255u);
		if (i + 1 < nr && !skip_operation(cursor, op))
			return false;
	}
	return true;
}

/* The credential and the verifier: true when arguments follow in the clear. */
static bool skip_auth(struct rpcbuf_cursor *cursor, bool *plain)
{
	uint32_t flavor, length, version, procedure, sequence, service;
	struct rpcbuf_cursor body;

	*plain = true;
	if (!take(cursor, &flavor))
		return false;
	body = *cursor;
	if (!skip_counted(cursor, 1) || !skip_shape(cursor, "4o"))
		return false;
	if (flavor != GSS_FLAVOR)
		return true;
	if (!take(&body, &length) || !take(&body, &version) ||
	    !take(&body, &procedure) || !take(&body, &sequence) ||
	    !take(&body, &service))
		return false;
	*plain = procedure == GSS_DATA &&
		 (service == GSS_NONE || service == GSS_INTEGRITY);
	/* A seal has a length and the sequence number in front. */
	return service != GSS_INTEGRITY || !*plain || skip(cursor, 8);
}

/* Leaves @cursor at the credential, if this is a call. */
static bool read_head(struct peek *peek, struct rpcbuf_cursor *cursor)
{
	uint32_t direction, rpc;

	memset(peek, 0, sizeof(*peek));
	if (!take(cursor, &peek->xid) || !take(cursor, &direction))
		return false;
	peek->reply = direction != 0;
	return !peek->reply && take(cursor, &rpc) &&
	       take(cursor, &peek->program) && take(cursor, &peek->version) &&
	       take(cursor, &peek->procedure);
}

void peek_head(struct peek *peek, const struct rpcbuf_message *message)
{
	struct rpcbuf_cursor cursor;

	rpcbuf_cursor_init(&cursor, message);
	(void)read_head(peek, &cursor);
}

void peek_message(struct peek *peek, const struct rpcbuf_message *message)
{
	struct rpcbuf_cursor cursor;
	bool plain;

	rpcbuf_cursor_init(&cursor, message);
	if (!read_head(peek, &cursor) ||
	    !nfs_is_compound(peek->program, peek->version, peek->procedure))
		return;
	peek->cut = !skip_auth(&cursor, &plain) || !plain ||
		    !find_operations(peek, &cursor);
}
