/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/guard.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>

/*
 * Shut: closed by a freezer that never opens it.  No thread gets into such a
 * cache, whatever it read of mm before; its pages are in the zone.  Drains and
 * walks find no cache.
 */
static void shut_caches(struct rpcbuf *mm)
{
	unsigned int cpu, nr = os_own(&mm->nr_pcps);

	os_lock(&mm->freezing);
	for (cpu = 0; cpu < nr; cpu++)
		os_cpulock_close(&mm->pcps[cpu].lock, mm->rseq);
	os_cpulock_settle(mm->rseq);
	os_store(&mm->nr_pcps, 0);
	os_store(&mm->nr_pcps_rseq, 0);
	for (cpu = 0; cpu < nr; cpu++) {
		struct pcp *pcp = &mm->pcps[cpu];
		uint32_t i, n;

		os_cpulock_wait(&pcp->lock, mm->rseq);
		pcp_give_runs(mm, pcp_runs(pcp), os_own(&pcp->nr_runs));
		for (i = 0; i < os_own(&pcp->nr_singles); i += n) {
			n = rpcbuf_min(os_own(&pcp->nr_singles) - i, PCP_CHUNK);
			mm_give(mm, pcp_singles(pcp) + i, n);
		}
		os_store(&pcp->nr_runs, 0);
		os_store(&pcp->nr_singles, 0);
		if (!mm->rseq)
			os_cpulock_release(&pcp->lock);
	}
	os_unlock(&mm->freezing);
	pcp_drain_all(mm); /* runs that were on their way to a depot */
}

static void open_caches(struct rpcbuf *mm)
{
	unsigned int cpu;

	if (!os_load(&mm->pcp_singles))
		return;
	os_lock(&mm->freezing);
	for (cpu = 0; cpu < mm->nr_cpus; cpu++)
		os_store_release(&mm->pcps[cpu].lock.closed, 0);
	os_store(&mm->nr_pcps_rseq, mm->rseq ? mm->nr_cpus : 0);
	os_store(&mm->nr_pcps, mm->nr_cpus);
	os_unlock(&mm->freezing);
}

void guard_change(struct rpcbuf *mm, uint32_t set, uint32_t clear)
{
	uint32_t before, after;

	if (fork_is_child(mm))
		return; /* its caches stay shut */
	os_lock(&mm->guarding);
	before = os_own(&mm->guard);
	after = (before & ~clear) | set;
	os_store(&mm->guard, after);
	if (after && !before)
		shut_caches(mm);
	else if (before && !after)
		open_caches(mm);
	os_unlock(&mm->guarding);
}
