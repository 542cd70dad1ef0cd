/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A waiter's part of wait.c: it joins the queue and empties the caches, and
 * sleeps once the zone has nothing.
 */
#include <errno.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/probes.h>

void rpcbuf_wait_join(struct rpcbuf *mm, struct rpcbuf_waiter *waiter)
{
	if (waiter->mm)
		return;
	if (fork_is_child(mm)) {
		waiter->mm = mm; /* for rpcbuf_wait_sleep() */
		return;
	}
	probe_wait_begin(mm, waiter);
	os_lock(&mm->wait.joining);
	if (wait_append(mm, waiter))
		pcp_drain_all(mm);
	os_unlock(&mm->wait.joining);
}

void wait_join_pool(struct rpcbuf *mm, struct rpcbuf_waiter *waiter,
		    const void *pool)
{
	waiter->pool = pool;
	rpcbuf_wait_join(mm, waiter);
}

/* Also kept where a link-time optimiser finds no caller: a script that names a
 * probe which is not in the file does not start. */
__attribute__((used)) int rpcbuf_wait_sleep(struct rpcbuf_waiter *waiter,
					    uint32_t count, uint64_t timeout_ns)
{
	uint64_t now = os_now();
	uint64_t deadline = timeout_ns < OS_FOREVER - now ? now + timeout_ns
							  : OS_FOREVER;
	int err = 0;

	if (waiter->mm && fork_is_child(waiter->mm))
		return -EPERM;
	probe_sleep(waiter->mm, waiter, timeout_ns);
	/* Pages that were left on a list are not to be slept on. */
	if (waiter->mm && node_flush(waiter->mm))
		wait_wake(waiter->mm);
	os_store_seq(&waiter->sleeping, 1);
	while (!err && os_load_seq(&waiter->woken) == count)
		err = os_futex_wait(os_word(&waiter->woken), count, deadline);
	os_store_seq(&waiter->sleeping, 0);
	if (waiter->mm) {
		stats_add(waiter->mm, STAT_waits, 1);
		stats_add(waiter->mm, STAT_wait_ns, os_now() - now);
	}
	if (os_load_acquire(&waiter->woken) != count)
		err = 0;
	if (probe_sleep_end_on())
		probe_sleep_end(waiter->mm, waiter, os_now() - now, err);
	return err;
}
