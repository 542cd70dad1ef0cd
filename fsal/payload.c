/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The exchange of ntirpc's malloc_ and free_size_ parameters.  Any thread
 * calls them; what a thread decodes is its own affair.
 *
 * A payload is used in place when ntirpc asks on behalf of the function that
 * decodes counted bytes, and the stream stands right behind their count.
 * Freeing an address in the arena then is nothing: the pages belong to the
 * call, which outlives the arguments.
 *
 * Nothing is put back when the server stops: a call may run on for longer than
 * that waits, and its arguments are freed when it ends.
 */
#include <string.h>

#include "payload.h"

/* Below, a block of malloc's and a copy are as cheap. */
#define PAYLOAD_MIN ((size_t)8 << 10)

static struct {
	struct rpcbuf *mm;
	mem_1_size_t stock_malloc;
	mem_free_size_t stock_free;
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
	return hook.stock_malloc(size, file, line, function);
}

static void payload_free(void *block, size_t size)
{
	if (!rpcbuf_owns(hook.mm, block))
		hook.stock_free(block, size);
}

void payload_hook(struct rpcbuf *mm)
{
	hook.mm = mm;
	hook.stock_malloc = __ntirpc_pkg_params.malloc_;
	hook.stock_free = __ntirpc_pkg_params.free_size_;
	/* free first: it must be there before the first address in the arena */
	fsal_rpcbuf_set(&__ntirpc_pkg_params.free_size_, payload_free);
	fsal_rpcbuf_set(&__ntirpc_pkg_params.malloc_, payload_malloc);
}
