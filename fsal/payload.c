/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The exchange of ntirpc's malloc_ and free_size_ parameters.  Any thread
 * calls them, each for what it decodes itself.
 *
 * A payload is used in place when ntirpc asks on behalf of the function that
 * decodes counted bytes, and the stream stands right behind their count.
 * free() of an address in the arena is a no-op then: the pages belong to the call,
 * which outlives the arguments.
 *
 * The original functions are not put back at the stop of the server: a call may run
 * for longer, and its arguments are freed when it ends.
 */
#include <string.h>

#include "payload.h"

/* Below, a block of malloc's and a copy are as cheap. */
#define PAYLOAD_MIN ((size_t)8 << 10)

static struct {
	struct rpcbuf *mm;
	mem_1_size_t original_malloc;
	mem_free_size_t original_free;
} hook;

static void *payload_malloc(size_t size, const char *file, int line,
			    const char *function)
{
	struct xdr_pages *decoding = xdr_pages_running;
	void *payload;

	if (size >= PAYLOAD_MIN && decoding &&
	    strcmp(function, "xdr_bytes_decode") == 0) {
		payload = xdr_pages_payload(decoding, size);
		if (payload) {
			decoding->call->in_place++;
			return payload;
		}
		decoding->call->copied++;
	}
	return hook.original_malloc(size, file, line, function);
}

static void payload_free(void *block, size_t size)
{
	if (!rpcbuf_owns(hook.mm, block))
		hook.original_free(block, size);
}

void payload_hook(struct rpcbuf *mm)
{
	hook.mm = mm;
	hook.original_malloc = __ntirpc_pkg_params.malloc_;
	hook.original_free = __ntirpc_pkg_params.free_size_;
	/* free first: it must be there before the first address in the arena */
	fsal_rpcbuf_set(&__ntirpc_pkg_params.free_size_, payload_free);
	fsal_rpcbuf_set(&__ntirpc_pkg_params.malloc_, payload_malloc);
}
