/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/rqst/handle.h"

#include <errno.h>

#include "rpcbuf/rqst/nfs.h"
#include "rpcbuf/rqst/words.h"

#define OP_PUTFH      22
#define OP_PUTPUBFH   23
#define OP_PUTROOTFH  24
#define OP_SEQUENCE   53
#define SEQUENCE_ARGS 32

static int copy_opaque(struct words *words, void *to, size_t len)
{
	uint32_t length;

	if (!words_take(words, &length) || length < len ||
	    !words_read(words, to, len))
		return -ENOENT;
	return 0;
}

static int find_in_compound(struct words *words, void *to, size_t len)
{
	uint32_t nr, op;

	/* tag; minor version */
	if (!words_skip_counted(words, 1) ||
	    !words_skip(words, sizeof(uint32_t)) || !words_take(words, &nr) ||
	    !nr || !words_take(words, &op))
		return -ENOENT;
	if (op == OP_SEQUENCE &&
	    (nr == 1 || !words_skip(words, SEQUENCE_ARGS) ||
	     !words_take(words, &op)))
		return -ENOENT;
	if (op == OP_PUTROOTFH || op == OP_PUTPUBFH)
		return -ENXIO;
	return op == OP_PUTFH ? copy_opaque(words, to, len) : -ENOENT;
}

/* In the arguments of a call. */
static int find_handle(struct words *words, const struct words_head *call,
		       void *to, size_t len)
{
	if (nfs_is_compound(call->program, call->version, call->procedure))
		return find_in_compound(words, to, len);
	if (call->version != NFS_V3 || !call->procedure ||
	    (call->program != NFS_PROGRAM && call->program != ACL_PROGRAM))
		return -ENOENT;
	return copy_opaque(words, to, len);
}

int handle_in_arguments(uint32_t program, uint32_t version, uint32_t procedure,
			const void *arguments, size_t size, void *to,
			size_t len)
{
	const struct words_head head = {
		.program = program,
		.version = version,
		.procedure = procedure,
	};
	struct words words;

	words_of_bytes(&words, arguments, size);
	return find_handle(&words, &head, to, len);
}

int handle_find(const struct rpcbuf_message *message, void *to, size_t len)
{
	struct words words;
	struct words_head head;
	uint32_t flavor;

	words_of_message(&words, message);
	/* ... and the verifier, of any flavor */
	if (!words_take_head(&words, &head) || !words_take(&words, &flavor) ||
	    flavor == GSS_FLAVOR || !words_skip_counted(&words, 1) ||
	    !words_skip(&words, sizeof(uint32_t)) ||
	    !words_skip_counted(&words, 1))
		return -ENOENT;
	return find_handle(&words, &head, to, len);
}
