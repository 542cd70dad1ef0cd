/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/reclaim.h"

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/shrink.h"
#include "rpcbuf/os/os.h"

/* A loop that received nothing for so long releases its pages. */
#define IDLE_PAGES_NS (2 * OS_SECOND_NS)

static void release_vector(struct loop *loop)
{
	rpcbuf_rqst_release(loop->rqst);
	call_release_cached_pages();
}

/* Not while a connection holds the page grant, or tries again: the vector has
 * its position in the allocator's queue. */
static bool may_release(const struct loop *loop)
{
	return !loop->admit.page_grantee && list_empty(&loop->fair.ready);
}

/* Preallocated pages go at once; a busy loop keeps its vector until it has
 * nothing to do. */
void reclaim_requested(struct loop *loop)
{
	uint32_t shrink = os_load(&loop->shrink), vector = SHRINK_VECTOR;

	if (shrink == SHRINK_ALL) {
		os_store(&loop->shrink, SHRINK_VECTOR);
		conns_each(loop, intake_trim);
	}
	if (!shrink || !may_release(loop))
		return;
	/* A newer request stays for the next call. */
	os_cas_acquire(&loop->shrink, &vector, SHRINK_NOTHING);
	release_vector(loop);
}

void reclaim_idle(struct loop *loop)
{
	if (rpcbuf_wait_pending(loop->engine->mm)) {
		rpcbuf_rqst_end_run(loop->rqst);
		conns_each(loop, intake_trim);
	}
	if (may_release(loop) &&
	    loop->now_ns - loop->received_ns > IDLE_PAGES_NS)
		release_vector(loop);
}
