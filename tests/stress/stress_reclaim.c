/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: memory is returned to the system, and the budget changes, under load;
 * no page loses its contents while it is allocated, or is reported then.
 * Method: threads fill and release arrays whose pages are stamped, on two
 * nodes; others change the budget, reclaim, make passes, register consumers and
 * shrinkers.  A consumer writes to the blocks that it sees: a lost stamp, or a
 * lost mark of the consumer, means a page with two owners.  In the end every
 * page is free.
 */
#include <rpcbuf/budget.h>
#include <rpcbuf/os/assert.h>
#include <rpcbuf/report.h>

#include "stress_util.h"

#define FILLERS	 3
#define SLOTS	 700u
#define MEMORY	 ((uint64_t)32 << 20)
#define SHOWN	 UINT64_C(0x7265706f72746564)

static struct rpcbuf *mm;
static uint64_t deadline, fills, resizes, reclaimed, calls;

struct filler {
	pthread_t thread;
	uint64_t seed, stamp;
	void *slots[SLOTS];
};

static void check(const struct filler *filler)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		require(!filler->slots[i] ||
			*(uint64_t *)filler->slots[i] == filler->stamp);
}

static void fill(struct filler *filler)
{
	unsigned int nr = test_below(&filler->seed, SLOTS), i;
	void *before[SLOTS];

	memcpy(before, filler->slots, sizeof(before));
	if (test_below(&filler->seed, 8) == 0 && !filler->slots[0]) {
		check(filler);
		rpcbuf_free_run(mm, SLOTS, filler->slots);
		rpcbuf_alloc_run(mm, SLOTS, filler->slots);
		memset(before, 0, sizeof(before));
	} else {
		rpcbuf_alloc_bulk_array(mm, 0, nr, filler->slots);
	}
	for (i = 0; i < SLOTS; i++) {
		if (!filler->slots[i] || before[i])
			continue;
		*(uint64_t *)filler->slots[i] = filler->stamp;
	}
	__atomic_fetch_add(&fills, 1, __ATOMIC_RELAXED);
}

static void *filler_main(void *arg)
{
	struct filler *filler = arg;

	while (os_now() < deadline) {
		unsigned int from = test_below(&filler->seed, SLOTS);

		if (test_below(&filler->seed, 64) == 0)
			wander(&filler->seed);
		fill(filler);
		check(filler);
		rpcbuf_free_bulk_array(
			mm, 1 + test_below(&filler->seed, SLOTS - from),
			filler->slots + from);
	}
	check(filler);
	rpcbuf_free_bulk_array(mm, SLOTS, filler->slots);
	return NULL;
}

static void *resizer_main(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1;

	while (os_now() < deadline) {
		uint64_t memory = RPCBUF_MEMORY_MIN +
				  test_below(&seed, (uint32_t)(
						     MEMORY -
						     RPCBUF_MEMORY_MIN + 1));

		require(rpcbuf_budget_set(mm, memory) == 0);
		__atomic_fetch_add(&resizes, 1, __ATOMIC_RELAXED);
		usleep(test_below(&seed, 3000));
	}
	return NULL;
}

static uint64_t shrink(struct rpcbuf_shrinker *shrinker, uint64_t nr)
{
	(void)shrinker;
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	return test_below(&nr, 2);
}

/* During its call no other thread writes to the block. */
static void report(struct rpcbuf_reporter *reporter, void **blocks,
		   unsigned int nr)
{
	unsigned int i, page;

	(void)reporter;
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	if (RPCBUF_DEBUG)
		return; /* there, pages are watched while they are free */
	for (i = 0; i < nr; i++)
		for (page = 0; page < 512; page += 37)
			*(uint64_t *)((char *)blocks[i] +
				      page * RPCBUF_PAGE_SIZE) = SHOWN;
	os_yield();
	for (i = 0; i < nr; i++)
		for (page = 0; page < 512; page += 37)
			require(*(uint64_t *)((char *)blocks[i] +
					      page * RPCBUF_PAGE_SIZE) ==
				SHOWN);
	if (nr > 1)
		blocks[nr - 1] = NULL;
}

static void *reclaimer_main(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1;

	while (os_now() < deadline) {
		struct rpcbuf_shrinker shrinker = {.shrink = shrink};
		struct rpcbuf_reporter reporter = {.report = report};
		bool consumer = test_below(&seed, 2);

		require(rpcbuf_shrinker_register(mm, &shrinker) == 0);
		if (consumer)
			require(!rpcbuf_report_register(mm, &reporter));
		__atomic_fetch_add(&reclaimed,
				   rpcbuf_reclaim(mm, test_random(&seed) >> 8),
				   __ATOMIC_RELAXED);
		require(rpcbuf_maintain(mm) > 0);
		if (test_below(&seed, 16) == 0)
			maintain_pressure(mm);
		if (consumer)
			require(!rpcbuf_report_unregister(mm, &reporter));
		require(rpcbuf_shrinker_unregister(mm, &shrinker) == 0);
	}
	return NULL;
}

static void create(void)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	options.memory = MEMORY;
	options.nodes = 2;
	require(rpcbuf_create(&mm, &options) == 0);
	if (getenv("RPCBUF_TEST_AGAIN"))
		mm->wide = false;
}

static void run(uint64_t seed, uint64_t until)
{
	static struct filler fillers[FILLERS];
	pthread_t others[3];
	unsigned int i;

	deadline = until;
	create();
	for (i = 0; i < FILLERS; i++) {
		fillers[i].stamp = seed + i;
		fillers[i].seed = seed * (i + 3) | 1;
		require(!pthread_create(&fillers[i].thread, NULL, filler_main,
					&fillers[i]));
	}
	for (i = 0; i < 3; i++)
		require(!pthread_create(&others[i], NULL,
					i ? reclaimer_main : resizer_main,
					(void *)(uintptr_t)(seed + i)));
	for (i = 0; i < FILLERS; i++)
		pthread_join(fillers[i].thread, NULL);
	for (i = 0; i < 3; i++)
		pthread_join(others[i], NULL);
	require(rpcbuf_budget_set(mm, RPCBUF_MEMORY_MIN) == 0);
	require(rpcbuf_budget_set(mm, MEMORY) == 0);
	test_destroy(mm);
	printf("%llu fills, %llu budgets, %llu MiB reclaimed, %llu calls\n",
	       (unsigned long long)fills, (unsigned long long)resizes,
	       (unsigned long long)reclaimed >> 20, (unsigned long long)calls);
}

int main(int argc, char **argv)
{
	(void)argc;
	return stress_main(argv, 4, run);
}
