/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a message says it is.  To find the operations of a compound their
 * arguments are stepped over, and so the shape of each has to be known; the
 * walk ends at one whose shape is not.  Runs only while a reader traces.
 */
#include "rpcbuf/os/bits.h"
#include "rpcbuf/rqst/nfs.h"
#include "rpcbuf/rqst/peek.h"
#include "rpcbuf/rqst/words.h"

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

static bool skip_field(struct words *words, char field)
{
	uint32_t value;

	switch (field) {
	case '4':
		return words_skip(words, 4);
	case '8':
		return words_skip(words, 8);
	case 's':
		return words_skip(words, 16);
	case 'o':
		return words_skip_counted(words, 1);
	case 'b':
		return words_skip_counted(words, 4);
	case 'f':
		return words_skip_counted(words, 4) &&
		       words_skip_counted(words, 1);
	default:
		return words_take(words, &value) && !value;
	}
}

static bool skip_shape(struct words *words, const char *shape)
{
	for (; *shape; shape++)
		if (!skip_field(words, *shape))
			return false;
	return true;
}

/* A value, and what follows in its case. */
static bool skip_case(struct words *words, const char *const *cases,
		      uint32_t nr)
{
	uint32_t value;

	return words_take(words, &value) && value < nr && cases[value] &&
	       skip_shape(words, cases[value]);
}

#define NR(array) (sizeof(array) / sizeof(*(array)))

static bool skip_create(struct words *words)
{
	static const char *const types[] = {
		[1] = "of",  [2] = "of", [3] = "8of", [4] = "8of",
		[5] = "oof", [6] = "of", [7] = "of",
	};

	return skip_case(words, types, NR(types));
}

static bool skip_lock(struct words *words)
{
	static const char *const lockers[] = {"s4", "4s48o"};

	return skip_shape(words, "4488") &&
	       skip_case(words, lockers, NR(lockers));
}

static bool skip_open(struct words *words)
{
	static const char *const modes[] = {"f", "f", "8", "8f"};
	static const char *const claims[] = {"o", "4", "so", "o", "", "s", ""};
	uint32_t create;

	if (!skip_shape(words, "4448o") || !words_take(words, &create) ||
	    (create && !skip_case(words, modes, NR(modes))))
		return false;
	return skip_case(words, claims, NR(claims));
}

static bool skip_operation(struct words *words, uint32_t op)
{
	switch (op) {
	case OP_CREATE:
		return skip_create(words);
	case OP_LOCK:
		return skip_lock(words);
	case OP_OPEN:
		return skip_open(words);
	default:
		return op < NR(shapes) && shapes[op] &&
		       skip_shape(words, shapes[op]);
	}
}

static bool find_operations(struct peek *peek, struct words *words)
{
	uint32_t nr, op;

	/* tag, minor version */
	if (!skip_shape(words, "o4") || !words_take(words, &nr))
		return false;
	peek->nr_ops = (uint8_t)rpcbuf_min(nr, 255u);
	nr = rpcbuf_min(nr, (uint32_t)PEEK_OPS);
	for (uint32_t i = 0; i < nr; i++) {
		if (!words_take(words, &op))
			return false;
		peek->ops[i] = (uint8_t)rpcbuf_min(op, 255u);
		if (i + 1 < nr && !skip_operation(words, op))
			return false;
	}
	return true;
}

/* The credential and the verifier: true when arguments follow in the clear. */
static bool skip_auth(struct words *words, bool *plain)
{
	uint32_t flavor, length, version, procedure, sequence, service;
	struct words body;

	*plain = true;
	if (!words_take(words, &flavor))
		return false;
	body = *words;
	if (!words_skip_counted(words, 1) || !skip_shape(words, "4o"))
		return false;
	if (flavor != GSS_FLAVOR)
		return true;
	if (!words_take(&body, &length) || !words_take(&body, &version) ||
	    !words_take(&body, &procedure) || !words_take(&body, &sequence) ||
	    !words_take(&body, &service))
		return false;
	*plain = procedure == GSS_DATA &&
		 (service == GSS_NONE || service == GSS_INTEGRITY);
	/* A seal has a length and the sequence number in front. */
	return service != GSS_INTEGRITY || !*plain || words_skip(words, 8);
}

/* Leaves @words at the credential, if this is a call. */
static bool read_head(struct peek *peek, struct words *words,
		      const struct rpcbuf_message *message)
{
	struct words_head head;
	bool call;

	words_of_message(words, message);
	call = words_take_head(words, &head);
	*peek = (struct peek){
		.xid = head.xid,
		.program = head.program,
		.version = head.version,
		.procedure = head.procedure,
		.reply = head.direction != 0,
	};
	return call;
}

void peek_head(struct peek *peek, const struct rpcbuf_message *message)
{
	struct words words;

	(void)read_head(peek, &words, message);
}

void peek_message(struct peek *peek, const struct rpcbuf_message *message)
{
	struct words words;
	bool plain;

	if (!read_head(peek, &words, message) ||
	    !nfs_is_compound(peek->program, peek->version, peek->procedure))
		return;
	peek->cut = !skip_auth(&words, &plain) || !plain ||
		    !find_operations(peek, &words);
}
