/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: without any slack, every thread that may sleep is served: the budget is
 * exactly what the reserves promise, and one vector more where there are
 * vectors without a reserve.
 * Method: many threads take up to the whole of a reserve by every interface,
 * and vectors are filled, with a reserve and without.  All pages are released
 * in every way, to the pool and to the instance, some by another thread, some
 * while there is another reference.  Every thread counts its pages.  When none
 * got any for a very long time, the program prints the waits, and fails.
 */
#include "stress_util.h"

#include <rpcbuf/mempool.h>
#include <rpcbuf/mm/mempool.h>
#include <rpcbuf/rqst.h>

#define THREADS	   8
#define NR_POOLS   2
#define MIN_NR	   64u
#define VECTOR	   40u
#define STUCK_NS   UINT64_C(120000000000)
#define LATE_SLOTS 16

static struct rpcbuf *mm;
static struct rpcbuf_mempool *pools[NR_POOLS];
static uint64_t deadline;
static struct os_u64 served[THREADS];
static struct os_u32 nr_running;

/* Modes of a round. */
static const struct round {
	const char *name;
	unsigned int nr_pools;
	bool vectors;  /* every fourth thread fills vectors, no reserve */
	bool reserved; /* every fourth thread fills vectors from a reserve */
} rounds[] = {
	{"one pool", 1, false, false},
	{"two pools", 2, false, false},
	{"a pool and vectors", 1, true, false},
	{"two pools, vectors with a reserve and without", 2, true, true},
};

struct actor {
	const struct round *round;
	unsigned int number;
	uint64_t seed;
};

/* References that are dropped by the next thread that releases pages, at the
 * latest by the one that took them. */
static void *late[LATE_SLOTS];

static void swap_late(unsigned int slot, void *page)
{
	void *was = __atomic_exchange_n(&late[slot], page, __ATOMIC_ACQ_REL);

	if (was)
		rpcbuf_free_page(mm, was);
}

static bool keep(void *page, void *opaque)
{
	rpcbuf_page_list_add(mm, opaque, page);
	return true;
}

static void take(struct rpcbuf_mempool *pool, uint64_t *seed, unsigned int nr,
		 void **pages)
{
	rpcbuf_gfp_t gfp = test_below(seed, 8)
				   ? RPCBUF_GFP_WAIT
				   : RPCBUF_GFP_WAIT | RPCBUF_GFP_ZERO;
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	int got;

	if (nr == 1 && test_below(seed, 2)) {
		pages[0] = rpcbuf_mempool_alloc_page(pool, gfp);
		require(pages[0]);
		return;
	}
	switch (test_below(seed, 3)) {
	case 0:
		got = rpcbuf_mempool_alloc_bulk_array(pool, gfp, nr, pages);
		break;
	case 1:
		got = rpcbuf_mempool_alloc_bulk_list(pool, gfp, nr, &list);
		break;
	default:
		got = rpcbuf_mempool_alloc_bulk_callback(pool, gfp, nr, keep,
							 &list);
	}
	require(got == (int)nr);
	require(rpcbuf_page_list_to_array(mm, &list, nr, pages) == nr);
	require(!list.nr);
}

static void to_list(void **pages, unsigned int nr,
		    struct rpcbuf_page_list *list)
{
	for (unsigned int i = 0; i < nr; i++) {
		rpcbuf_page_list_add(mm, list, pages[i]);
		pages[i] = NULL;
	}
}

static void give_some(struct rpcbuf_mempool *pool, uint64_t *seed, void **pages,
		      unsigned int nr)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;

	switch (test_below(seed, pool ? 8 : 5)) {
	case 0:
		rpcbuf_free_bulk_array(mm, nr, pages);
		break;
	case 1:
		to_list(pages, nr, &list);
		rpcbuf_free_bulk_list(mm, &list);
		break;
	case 2:
		rpcbuf_free_bulk_array_nolock(mm, nr, pages);
		break;
	case 3:
		rpcbuf_free_run(mm, nr, pages);
		break;
	case 4:
		for (unsigned int i = 0; i < nr; i++)
			rpcbuf_free_page(mm, pages[i]);
		break;
	case 5:
		rpcbuf_mempool_free_bulk_array(pool, nr, pages);
		break;
	case 6:
		to_list(pages, nr, &list);
		rpcbuf_mempool_free_bulk_list(pool, &list);
		break;
	case 7:
		for (unsigned int i = 0; i < nr; i++)
			rpcbuf_mempool_free_page(pool, pages[i]);
		break;
	}
}

/* In pieces, each in another way; some only after another reference was
 * dropped. */
static void give(struct rpcbuf_mempool *pool, uint64_t *seed, void **pages,
		 unsigned int nr)
{
	unsigned int n;

	if (test_below(seed, 4) == 0) {
		void *shared = pages[test_below(seed, nr)];

		require(rpcbuf_page_get(mm, shared) == 0);
		swap_late(test_below(seed, LATE_SLOTS), shared);
	}
	for (; nr; nr -= n, pages += n) {
		n = 1 + test_below(seed, nr);
		give_some(pool, seed, pages, n);
	}
	if (test_below(seed, 2) && pool)
		rpcbuf_mempool_refill(pool);
	for (n = 0; n < LATE_SLOTS; n++)
		swap_late(n, NULL);
}

static void use(void **pages, unsigned int nr, uint64_t mine)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		*(uint64_t *)pages[i] = mine;
	if (mine % 4 == 0)
		sched_yield();
	for (i = 0; i < nr; i++)
		require(*(uint64_t *)pages[i] == mine);
}

static void *take_from_pools(void *arg)
{
	struct actor *actor = arg;
	uint64_t *seed = &actor->seed;
	void *pages[MIN_NR] = {NULL};

	do {
		struct rpcbuf_mempool *pool =
			pools[test_below(seed, actor->round->nr_pools)];
		unsigned int nr = test_below(seed, 3)
					  ? MIN_NR
					  : 1 + test_below(seed, MIN_NR);

		if (test_below(seed, 50) == 0)
			wander(seed);
		take(pool, seed, nr, pages);
		use(pages, nr, test_random(seed));
		memset(pages + nr, 0, sizeof(pages) - nr * sizeof(*pages));
		give(pool, seed, pages, nr);
		memset(pages, 0, sizeof(pages));
		os_fetch_add(&served[actor->number], 1);
	} while (os_now() < deadline);
	os_fetch_add(&nr_running, -1u);
	return NULL;
}

static void fill_vectors(struct actor *actor, struct rpcbuf_mempool *reserve)
{
	uint64_t *seed = &actor->seed;
	struct rpcbuf_rqst *rqst;
	void *pages[VECTOR];
	unsigned int nr;

	require(rpcbuf_rqst_create(&rqst, mm, NULL, VECTOR) == 0);
	require(rpcbuf_rqst_reserve(rqst, reserve) == 0);
	do {
		nr = 1 + test_below(seed, VECTOR);
		require(rpcbuf_rqst_fill(rqst) == 0);
		rpcbuf_rqst_take(rqst, nr, pages);
		use(pages, nr, test_random(seed));
		/* A thread without work holds no page. */
		rpcbuf_rqst_release(rqst);
		give(reserve, seed, pages, nr);
		os_fetch_add(&served[actor->number], 1);
	} while (os_now() < deadline);
	rpcbuf_rqst_destroy(rqst);
	os_fetch_add(&nr_running, -1u);
}

static void *fill_plain(void *arg)
{
	fill_vectors(arg, NULL);
	return NULL;
}

static void *fill_reserved(void *arg)
{
	fill_vectors(arg, pools[0]);
	return NULL;
}

static void tell_and_fail(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	fprintf(stderr, "no thread gets pages: of %llu pages %llu are out\n",
		(unsigned long long)counts.pages_total,
		(unsigned long long)counts.pages_out);
	for (unsigned int i = 0; i < NR_POOLS && pools[i]; i++) {
		struct rpcbuf_mempool_stats stats = RPCBUF_MEMPOOL_STATS_INIT;

		rpcbuf_mempool_stats(pools[i], &stats);
		fprintf(stderr, "pool %u: %llu of %llu, %llu wait\n", i,
			(unsigned long long)stats.curr_nr,
			(unsigned long long)stats.min_nr,
			(unsigned long long)stats.waiting);
	}
	abort();
}

/* Until all have ended; returns the smallest count of a thread. */
static uint64_t watch(void)
{
	uint64_t total, before = 0, since = os_now(), least;
	const struct timespec pause = {.tv_nsec = 20000000};

	for (;;) {
		total = 0;
		least = UINT64_MAX;
		for (unsigned int i = 0; i < THREADS; i++) {
			uint64_t nr = os_load(&served[i]);

			total += nr;
			least = nr < least ? nr : least;
		}
		if (!os_load(&nr_running))
			return least;
		if (total != before) {
			before = total;
			since = os_now();
		}
		if (os_now() - since > STUCK_NS)
			tell_and_fail();
		nanosleep(&pause, NULL);
	}
}

static void *(*work_of(const struct round *round, unsigned int i))(void *)
{
	if (round->vectors && i % 4 == 1)
		return fill_plain;
	if (round->reserved && i % 4 == 2)
		return fill_reserved;
	return take_from_pools;
}

static void run_round(const struct round *round, uint64_t *seed, uint64_t ns)
{
	struct actor actors[THREADS];
	pthread_t threads[THREADS];
	struct rpcbuf_mempool_stats stats = RPCBUF_MEMPOOL_STATS_INIT;
	uint64_t least, waits = 0;
	unsigned int i;

	mm = test_create(round->nr_pools * MIN_NR +
			 (round->vectors ? VECTOR : 0));
	for (i = 0; i < round->nr_pools; i++)
		require(rpcbuf_mempool_create(&pools[i], mm, MIN_NR) == 0);
	memset(served, 0, sizeof(served));
	os_store(&nr_running, THREADS);
	deadline = os_now() + ns;
	for (i = 0; i < THREADS; i++) {
		actors[i] = (struct actor){round, i, test_random(seed) | 1};
		require(pthread_create(&threads[i], NULL, work_of(round, i),
				       &actors[i]) == 0);
	}
	least = watch();
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < LATE_SLOTS; i++)
		require(!late[i]);
	require(!rpcbuf_wait_pending(mm));
	for (i = 0; i < round->nr_pools; i++) {
		require(!mempool_is_valid(pools[i]));
		rpcbuf_mempool_refill(pools[i]);
		rpcbuf_mempool_stats(pools[i], &stats);
		require(stats.curr_nr == stats.min_nr && !stats.waiting);
		waits += stats.waits;
		require(rpcbuf_mempool_destroy(pools[i]) == 0);
		pools[i] = NULL;
	}
	test_destroy(mm);
	printf("%s: %llu times at least was each thread served; %llu waits\n",
	       round->name, (unsigned long long)least,
	       (unsigned long long)waits);
	fflush(stdout);
}

static void run(uint64_t seed, uint64_t until)
{
	uint64_t ns = until - os_now();
	unsigned int i, nr = sizeof(rounds) / sizeof(rounds[0]);

	for (i = 0; i < nr; i++)
		run_round(&rounds[i], &seed, ns / nr);
}

int main(int argc, char **argv)
{
	(void)argc;
	return stress_main(argv, 4, run);
}
