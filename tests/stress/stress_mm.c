/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: no page ever has two owners, and none is lost, whatever threads do on
 * any CPU.
 * Method: threads that come and go, and move between CPUs, fill and release
 * arrays of all sizes with holes and shared pages on a budget that is too
 * small, on one node and on three fake ones.  Each allocated page carries a
 * stamp of its array, checked when it is freed; arrays change owners through a
 * shared table.  In the end every page is free and the structures are valid.
 */
#include "stress_util.h"

#define THREADS	 8
#define ARRAYS	 24
#define SLOTS	 300u
#define NR_PAGES 2500u

struct array {
	pthread_mutex_t lock;
	uint64_t stamp;
	void *slots[SLOTS];
};

static struct rpcbuf *mm;
static struct array arrays[ARRAYS];
static uint64_t deadline, lives, operations;

/* A page is stamped by the array that filled it. */
static void stamp(const struct array *array, void *const *before)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (array->slots[i] && !before[i])
			*(uint64_t *)array->slots[i] = array->stamp;
}

static void check(const struct array *array)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		require(!array->slots[i] ||
			*(uint64_t *)array->slots[i] == array->stamp);
}

static void fill(struct array *array, uint64_t *seed)
{
	unsigned int nr = test_below(seed, SLOTS + 1), ret, i;
	void *before[SLOTS];

	memcpy(before, array->slots, sizeof(before));
	ret = rpcbuf_alloc_bulk_array(
		mm, test_below(seed, 4) ? 0 : RPCBUF_GFP_NOLOCK, nr,
		array->slots);
	require(ret <= nr);
	for (i = 0; i < ret; i++)
		require(array->slots[i]);
	require(ret == nr || !array->slots[ret]);
	for (i = 0; i < SLOTS; i++)
		require(!before[i] || before[i] == array->slots[i]);
	stamp(array, before);
}

/* Adjacent pages for an array that has none. */
static void fill_run(struct array *array, uint64_t *seed)
{
	unsigned int nr = 1 + test_below(seed, SLOTS), i;
	void *before[SLOTS] = {NULL};

	check(array);
	rpcbuf_free_run(mm, SLOTS, array->slots);
	if (!rpcbuf_alloc_run(mm, nr, array->slots))
		return;
	for (i = 1; i < nr; i++)
		require(rpcbuf_adjacent(array->slots[i - 1], array->slots[i]));
	stamp(array, before);
}

static void release(struct array *array, uint64_t *seed)
{
	unsigned int from = test_below(seed, SLOTS);

	check(array);
	if (test_below(seed, 4))
		rpcbuf_free_bulk_array(mm, 1 + test_below(seed, SLOTS - from),
				       array->slots + from);
	else
		rpcbuf_free_bulk_array_nolock(mm, SLOTS - from,
					      array->slots + from);
}

/* A second reference on a page of the array, dropped at once or in a free slot
 * of the same array. */
static void share(struct array *array, uint64_t *seed)
{
	void *page = array->slots[test_below(seed, SLOTS)];
	void **slot = &array->slots[test_below(seed, SLOTS)];

	if (!page)
		return;
	require(rpcbuf_page_get(mm, page) == 0);
	if (*slot)
		rpcbuf_free_page(mm, page);
	else
		*slot = page;
}

static void single(struct array *array, uint64_t *seed)
{
	void **slot = &array->slots[test_below(seed, SLOTS)];

	if (*slot) {
		require(*(uint64_t *)*slot == array->stamp);
		rpcbuf_free_page(mm, *slot);
		*slot = NULL;
		return;
	}
	*slot = rpcbuf_alloc_page(mm, 0);
	if (*slot)
		*(uint64_t *)*slot = array->stamp;
}

static void one_operation(uint64_t *seed)
{
	struct array *array = &arrays[test_below(seed, ARRAYS)];

	pthread_mutex_lock(&array->lock);
	switch (test_below(seed, 8)) {
	case 0:
	case 1:
		fill(array, seed);
		break;
	case 2:
	case 3:
		release(array, seed);
		break;
	case 4:
		share(array, seed);
		break;
	case 5:
		if (test_below(seed, 4) == 0)
			fill_run(array, seed);
		break;
	default:
		single(array, seed);
		break;
	}
	pthread_mutex_unlock(&array->lock);
}

static void *life(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1, done;

	for (done = 0; done < 2000; done++) {
		if (test_below(&seed, 100) == 0)
			wander(&seed);
		one_operation(&seed);
	}
	__atomic_fetch_add(&operations, done, __ATOMIC_RELAXED);
	return NULL;
}

/* Starts one thread after the other, so that caches outlive their users. */
static void *lineage(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1;

	while (os_now() < deadline) {
		pthread_t thread;

		require(pthread_create(&thread, NULL, life,
				       (void *)(uintptr_t)test_random(&seed)) ==
			0);
		pthread_join(thread, NULL);
		__atomic_fetch_add(&lives, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void run_on_nodes(uint64_t seed, uint64_t until, unsigned int nodes)
{
	pthread_t threads[THREADS];
	unsigned int i;

	deadline = until;
	mm = test_create_nodes(NR_PAGES, nodes);
	for (i = 0; i < ARRAYS; i++) {
		pthread_mutex_init(&arrays[i].lock, NULL);
		arrays[i].stamp = seed + i;
	}
	for (i = 0; i < THREADS; i++)
		require(pthread_create(&threads[i], NULL, lineage,
				       (void *)(uintptr_t)test_random(&seed)) ==
			0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < ARRAYS; i++) {
		check(&arrays[i]);
		rpcbuf_free_bulk_array(mm, SLOTS, arrays[i].slots);
		pthread_mutex_destroy(&arrays[i].lock);
	}
	test_destroy(mm);
	printf("%llu operations by %llu threads\n",
	       (unsigned long long)operations, (unsigned long long)lives);
}

static void run(uint64_t seed, uint64_t until)
{
	uint64_t now = os_now();

	run_on_nodes(seed, now + (until - now) / 2, 0);
	run_on_nodes(seed + 1, until, 3);
}

int main(int argc, char **argv)
{
	(void)argc;
	return stress_main(argv, 4, run);
}
