/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * DPDK's rte_mempool as a peer.  A separate module, because its bulk functions
 * are inline functions of DPDK's headers; it is built only where those are
 * installed.
 *
 * The pool has DPDK's fastest setting: the largest per-core cache, all threads
 * registered, and transparent hugepages as for rpcbuf.  Reserved hugepages and
 * devices are not needed.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "../peer.h"

#define HUGE_SIZE ((size_t)2 << 20)

WORK_INLINE bool mempool_fill(void *pool, void **pages, unsigned int nr)
{
	return rte_mempool_get_bulk(pool, pages, nr) == 0;
}

WORK_INLINE void mempool_release(void *pool, void **pages, unsigned int nr)
{
	rte_mempool_put_bulk(pool, pages, nr);
}

WORK_DEFINE(mempool);

/* rte_eal_init() pins the calling thread, so a short-lived thread calls it. */
static void *start_eal(void *started)
{
	char memory[] = "64", lcores[32];
	char *argv[] = {
		"rpcbuf-bench",	  "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "-m",	       memory,	      "--log-level",
		"*:alert",	  "--lcores",  lcores};
	cpu_set_t cpus;
	int cpu = 0;

	CPU_ZERO(&cpus);
	pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus))
		cpu++;
	snprintf(lcores, sizeof(lcores), "0@%d", cpu);
	*(int *)started = rte_eal_init(sizeof(argv) / sizeof(*argv), argv) < 0
				  ? rte_errno
				  : 0;
	return NULL;
}

static bool populate(struct rte_mempool *pool)
{
	size_t want = (size_t)(PEER_PAGES + 64) * (WORK_PAGE + 128);
	size_t size = RTE_ALIGN(want, HUGE_SIZE) + HUGE_SIZE;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	memory = RTE_PTR_ALIGN(memory, HUGE_SIZE);
	madvise(memory, size - HUGE_SIZE, MADV_HUGEPAGE);
	return rte_mempool_populate_virt(pool, memory, size - HUGE_SIZE,
					 WORK_PAGE, NULL, NULL) > 0;
}

static bool mempool_open(struct peer *peer, char why[PEER_WHY])
{
	struct rte_mempool *pool;
	pthread_t thread;
	int error;

	if (pthread_create(&thread, NULL, start_eal, &error))
		return false;
	pthread_join(thread, NULL);
	if (error) {
		snprintf(why, PEER_WHY, "rte_eal_init failed: %s",
			 rte_strerror(error));
		return false;
	}
	pool = rte_mempool_create_empty(
		"rpcbuf-bench", PEER_PAGES, WORK_PAGE,
		RTE_MEMPOOL_CACHE_MAX_SIZE, 0, SOCKET_ID_ANY,
		RTE_MEMPOOL_F_NO_SPREAD | RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (!pool || rte_mempool_set_ops_byname(pool, "ring_mp_mc", NULL) ||
	    !populate(pool)) {
		snprintf(why, PEER_WHY, "no rte_mempool of %u pages: %s",
			 PEER_PAGES, rte_strerror(rte_errno));
		return false;
	}
	for (unsigned int i = 0; i < PEER_THREADS; i++)
		peer->pool[i] = pool;
	return true;
}

/* Only registered threads have a cache. */
static bool mempool_enter(struct peer *peer)
{
	(void)peer;
	return rte_thread_register() == 0;
}

const struct peer bench_dpdk = {
	.ops = &mempool_ops,
	.open = mempool_open,
	.enter = mempool_enter,
};
