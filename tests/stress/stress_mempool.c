/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a request that may sleep in a mempool is always served, while the pool
 * is resized, others wait for the same instance without a pool, and pages are
 * released in every way.
 * Method: takers need up to the whole reserve, by array, list and callback; the
 * instance has little more than the reserves of two pools.  Fillers wait in the
 * queue of the instance, other threads take pages without waiting, one thread
 * resizes.  A page is stamped by its holder, which checks the stamp before it
 * frees the page.  A lost waiter stops everything, and the time limit of the
 * test ends it.
 */
#include "stress_util.h"

#include <rpcbuf/mempool.h>
#include <rpcbuf/mm/mempool.h>

#define POOLS	  2
#define TAKERS	  4
#define IMPATIENT 2
#define FILLERS	  1
#define MIN_NR	  128u
#define NR_PAGES  (POOLS * MIN_NR + 96)

static struct rpcbuf *mm;
static struct rpcbuf_mempool *pools[POOLS];
static uint64_t deadline, waited;
static struct os_u64 served;
static struct os_u32 nr_takers;

static void stamp(void **pages, unsigned int nr, uint64_t mine)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		*(uint64_t *)pages[i] = mine;
}

static void check(void **pages, unsigned int nr, uint64_t mine)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		require(*(uint64_t *)pages[i] == mine);
}

static bool keep(void *page, void *opaque)
{
	rpcbuf_page_list_add(mm, opaque, page);
	return true;
}

/* By one of the three interfaces, into an array. */
static int take(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp, unsigned int nr,
		void **pages, unsigned int face)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	int got;

	if (face == 0)
		return rpcbuf_mempool_alloc_bulk_array(pool, gfp, nr, pages);
	if (face == 1)
		got = rpcbuf_mempool_alloc_bulk_list(pool, gfp, nr, &list);
	else
		got = rpcbuf_mempool_alloc_bulk_callback(pool, gfp, nr, keep,
							 &list);
	if (got >= 0)
		require((int)rpcbuf_page_list_to_array(mm, &list, nr, pages) ==
			got);
	return got;
}

/* To the pool, as an array or a list, in pieces. */
static void give(struct rpcbuf_mempool *pool, void **pages, unsigned int nr,
		 uint64_t *seed)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	unsigned int n, i;

	for (; nr; nr -= n, pages += n) {
		n = 1 + test_below(seed, nr);
		if (test_below(seed, 2)) {
			rpcbuf_mempool_free_bulk_array(pool, n, pages);
			continue;
		}
		for (i = 0; i < n; i++) {
			rpcbuf_page_list_add(mm, &list, pages[i]);
			pages[i] = NULL;
		}
		rpcbuf_mempool_free_bulk_list(pool, &list);
	}
}

static void *taker(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1, mine = seed;
	struct rpcbuf_mempool *pool = pools[test_below(&seed, POOLS)];
	void *pages[MIN_NR] = {NULL};

	while (os_now() < deadline) {
		/* Resizes never go below half. */
		unsigned int nr = 1 + test_below(&seed, MIN_NR / 2);

		if (test_below(&seed, 50) == 0)
			wander(&seed);
		require(take(pool, RPCBUF_GFP_WAIT, nr, pages,
			     test_below(&seed, 3)) == (int)nr);
		stamp(pages, nr, mine);
		if (test_below(&seed, 4) == 0)
			sched_yield();
		check(pages, nr, mine);
		give(pool, pages, nr, &seed);
		os_fetch_add(&served, 1);
	}
	os_fetch_add(&nr_takers, -1u);
	return NULL;
}

/* Keeps its pages for a while, or releases them past the pool. */
static void *impatient(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1, mine = seed;
	struct rpcbuf_mempool *pool = pools[test_below(&seed, POOLS)];
	void *pages[MIN_NR] = {NULL};
	int got;

	while (os_load(&nr_takers)) {
		got = take(pool, 0, 1 + test_below(&seed, MIN_NR / 2), pages,
			   test_below(&seed, 3));
		require(got >= 0);
		stamp(pages, (unsigned int)got, mine);
		if (test_below(&seed, 4) == 0)
			sched_yield();
		check(pages, (unsigned int)got, mine);
		if (test_below(&seed, 8))
			give(pool, pages, (unsigned int)got, &seed);
		else
			rpcbuf_free_bulk_array(mm, (unsigned int)got, pages);
		rpcbuf_mempool_refill(pool);
	}
	return NULL;
}

/* Waits for the instance, as a request vector does. */
static void *filler(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1, mine = seed;
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	void *pages[64] = {NULL};

	while (os_load(&nr_takers)) {
		uint32_t count = rpcbuf_wait_count(&waiter);

		rpcbuf_wait_join(mm, &waiter);
		if (!rpcbuf_wait_is_head(&waiter) ||
		    rpcbuf_alloc_bulk_array(mm, 0, 64, pages) < 64) {
			rpcbuf_wait_sleep(&waiter, count, 100000000);
			continue;
		}
		rpcbuf_wait_leave(&waiter);
		stamp(pages, 64, mine);
		sched_yield();
		check(pages, 64, mine);
		rpcbuf_free_bulk_array(mm, 64, pages);
	}
	rpcbuf_wait_leave(&waiter);
	rpcbuf_free_bulk_array(mm, 64, pages);
	return NULL;
}

static void *resizer(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1;
	const char *wrong;
	unsigned int i;

	while (os_load(&nr_takers)) {
		struct rpcbuf_mempool *pool = pools[test_below(&seed, POOLS)];

		require(rpcbuf_mempool_resize(
				pool,
				MIN_NR / 2 + test_below(&seed,
							MIN_NR / 2 + 1)) == 0);
		for (i = 0; i < POOLS; i++) {
			wrong = mempool_is_valid(pools[i]);
			if (wrong)
				fprintf(stderr, "%s\n", wrong);
			require(!wrong);
		}
		usleep(200);
	}
	return NULL;
}

static void end_pools(void)
{
	struct rpcbuf_mempool_stats stats = RPCBUF_MEMPOOL_STATS_INIT;
	unsigned int i;

	for (i = 0; i < POOLS; i++) {
		rpcbuf_mempool_refill(pools[i]);
		rpcbuf_mempool_stats(pools[i], &stats);
		require(stats.curr_nr == stats.min_nr && stats.waiting == 0);
		waited += stats.waits;
		require(rpcbuf_mempool_destroy(pools[i]) == 0);
	}
}

static void run(uint64_t seed, uint64_t until)
{
	void *(*const kinds[])(void *) = {taker,  taker,     taker,
					  taker,  impatient, impatient,
					  filler, resizer};
	pthread_t threads[TAKERS + IMPATIENT + FILLERS + 1];
	unsigned int i, nr = sizeof(kinds) / sizeof(kinds[0]);

	deadline = until;
	os_store(&nr_takers, TAKERS);
	mm = test_create(NR_PAGES);
	for (i = 0; i < POOLS; i++)
		require(rpcbuf_mempool_create(&pools[i], mm, MIN_NR) == 0);
	for (i = 0; i < nr; i++)
		require(pthread_create(&threads[i], NULL, kinds[i],
				       (void *)(uintptr_t)test_random(&seed)) ==
			0);
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	end_pools();
	test_destroy(mm);
	printf("%llu requests served, %llu of them waited\n",
	       (unsigned long long)os_load(&served),
	       (unsigned long long)waited);
	require(waited > 0);
}

int main(int argc, char **argv)
{
	(void)argc;
	return stress_main(argv, 3, run);
}
