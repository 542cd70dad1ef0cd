/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: no wake-up is lost: a thread that waits for pages continues when some
 * are freed, wherever that happens.
 * Method: fillers need vectors of which the budget serves one or two at a time,
 * and sleep without a limit.  Other threads release their pages, on other CPUs,
 * page by page and in arrays, some without ever waiting for a lock, while
 * further threads move single pages through the caches, shrink these, and never
 * wait.  A lost wake-up stops everything, and the time limit of the test ends
 * it.
 */
#include "stress_util.h"

#define FILLERS	   6
#define BYSTANDERS 2
#define RELEASERS  2
#define VECTOR	   257u
#define NR_PAGES   (2 * VECTOR + 20)
#define TABLE	   16

static struct rpcbuf *mm;
static uint64_t deadline, fills, sleeps;
static uint32_t nr_fillers;

/* Vectors in the queue to a releaser. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int nr;
	void *vectors[TABLE][VECTOR];
} table = {.lock = PTHREAD_MUTEX_INITIALIZER,
	   .changed = PTHREAD_COND_INITIALIZER};

static void hand_over(void **pages)
{
	pthread_mutex_lock(&table.lock);
	while (table.nr == TABLE)
		pthread_cond_wait(&table.changed, &table.lock);
	memcpy(table.vectors[table.nr++], pages, VECTOR * sizeof(*pages));
	pthread_cond_broadcast(&table.changed);
	pthread_mutex_unlock(&table.lock);
	memset(pages, 0, VECTOR * sizeof(*pages));
}

/* As the request vector fills itself: at once without waiters, otherwise
 * through the queue; only the head keeps its pages while it sleeps. */
static void fill(struct rpcbuf_waiter *waiter, void **pages)
{
	uint32_t count;

	if (!rpcbuf_wait_pending(mm) &&
	    rpcbuf_alloc_bulk_array(mm, 0, VECTOR, pages) == VECTOR)
		return;
	rpcbuf_wait_join(mm, waiter);
	for (;;) {
		count = rpcbuf_wait_count(waiter);
		if (rpcbuf_alloc_bulk_array(mm, 0, VECTOR, pages) == VECTOR)
			break;
		if (!rpcbuf_wait_is_head(waiter))
			rpcbuf_free_bulk_array(mm, VECTOR, pages);
		__atomic_fetch_add(&sleeps, 1, __ATOMIC_RELAXED);
		require(rpcbuf_wait_sleep(waiter, count, UINT64_MAX) == 0);
	}
	rpcbuf_wait_leave(waiter);
}

static void *filler(void *arg)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	uint64_t seed = (uintptr_t)arg | 1;
	void *pages[VECTOR] = {NULL};

	while (os_now() < deadline) {
		if (test_below(&seed, 20) == 0)
			wander(&seed);
		fill(&waiter, pages);
		__atomic_fetch_add(&fills, 1, __ATOMIC_RELAXED);
		if (test_below(&seed, 4))
			hand_over(pages);
		else
			rpcbuf_free_bulk_array(mm, VECTOR, pages);
	}
	__atomic_fetch_sub(&nr_fillers, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* False when no more vectors will come. */
static bool receive(void **pages)
{
	bool got;

	pthread_mutex_lock(&table.lock);
	while (!table.nr && __atomic_load_n(&nr_fillers, __ATOMIC_SEQ_CST)) {
		/* The last filler does not notify when it ends. */
		os_cond_wait_until(&table.changed, &table.lock,
				   os_now() + OS_SECOND_NS);
	}
	got = table.nr > 0;
	if (got)
		memcpy(pages, table.vectors[--table.nr],
		       VECTOR * sizeof(*pages));
	pthread_cond_broadcast(&table.changed);
	pthread_mutex_unlock(&table.lock);
	return got;
}

static void *releaser(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1;
	void *pages[VECTOR];
	unsigned int from, nr;

	while (receive(pages)) {
		wander(&seed);
		for (from = 0; from < VECTOR; from += nr) {
			nr = test_below(&seed, 3)
				     ? 1
				     : 1 + test_below(&seed, VECTOR - from);
			if (test_below(&seed, 3))
				rpcbuf_free_bulk_array(mm, nr, pages + from);
			else
				rpcbuf_free_bulk_array_nolock(mm, nr,
							      pages + from);
		}
	}
	return NULL;
}

static void *bystander(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1;
	void *pages[15] = {NULL};

	while (__atomic_load_n(&nr_fillers, __ATOMIC_SEQ_CST)) {
		if (test_below(&seed, 50) == 0)
			wander(&seed);
		rpcbuf_alloc_bulk_array(mm, 0, 1 + test_below(&seed, 15),
					pages);
		if (test_below(&seed, 8) == 0)
			sched_yield();
		if (test_below(&seed, 200) == 0)
			pcp_decay(mm);
		rpcbuf_free_bulk_array(mm, 15, pages);
	}
	return NULL;
}

static void run(uint64_t seed, uint64_t until)
{
	pthread_t threads[FILLERS + RELEASERS + BYSTANDERS];
	unsigned int i, nr = 0;

	deadline = until;
	nr_fillers = FILLERS;
	mm = test_create(NR_PAGES);
	for (i = 0; i < FILLERS + RELEASERS + BYSTANDERS; i++) {
		void *(*what)(void *) = i < FILLERS		  ? filler
					: i < FILLERS + RELEASERS ? releaser
								  : bystander;

		require(pthread_create(&threads[nr++], NULL, what,
				       (void *)(uintptr_t)test_random(&seed)) ==
			0);
	}
	while (nr)
		pthread_join(threads[--nr], NULL);
	require(!rpcbuf_wait_pending(mm));
	test_destroy(mm);
	printf("%llu vectors filled, slept %llu times\n",
	       (unsigned long long)fills, (unsigned long long)sleeps);
	require(sleeps > 0);
}

int main(int argc, char **argv)
{
	(void)argc;
	return stress_main(argv, 4, run);
}
