/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: vectors stay adjacent, however long and mixed the traffic.
 * Method: two threads fill and release arrays of all sizes, mostly single
 * pages, a million times together; half of the arrays are released by the
 * thread that did not fill them.  Afterwards a 257-page vector has at most 16
 * runs in the median, by the library's own count.
 */
#include <rpcbuf/bulk.h>

#include "stress_util.h"

#define OPERATIONS 1000000u
#define SHARED	   8
#define VECTOR	   257u
#define SAMPLES	   40u

struct array {
	pthread_mutex_t lock;
	unsigned int nr;
	void *pages[VECTOR];
};

static struct rpcbuf *mm;
static struct array arrays[SHARED];
static unsigned int left;

static void refill(struct array *array, uint64_t *seed)
{
	static const unsigned int sizes[] = {1, 1, 1,  1,  1,  2,
					     5, 9, 15, 17, 65, VECTOR};

	rpcbuf_free_bulk_array(mm, array->nr, array->pages);
	array->nr = sizes[test_below(seed, 12)];
	require(rpcbuf_alloc_bulk_array(mm, 0, array->nr, array->pages) ==
		array->nr);
}

/* A counter of operations, shared by the threads, that goes down to 0. */
static void *traffic(void *arg)
{
	uint64_t seed = (uintptr_t)arg | 1;
	struct array own[SHARED] = {0};
	unsigned int i;

	while ((int)__atomic_fetch_sub(&left, 1, __ATOMIC_RELAXED) > 0) {
		struct array *array = &arrays[test_below(&seed, SHARED)];

		if (test_below(&seed, 2)) {
			refill(&own[test_below(&seed, SHARED)], &seed);
			continue;
		}
		pthread_mutex_lock(&array->lock);
		refill(array, &seed);
		pthread_mutex_unlock(&array->lock);
	}
	for (i = 0; i < SHARED; i++)
		rpcbuf_free_bulk_array(mm, own[i].nr, own[i].pages);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	return (int)*(const unsigned int *)a - (int)*(const unsigned int *)b;
}

/* Vectors that are filled while the arrays of the traffic are allocated. */
static unsigned int median_runs(unsigned int *most)
{
	static void *pages[SAMPLES][VECTOR];
	unsigned int runs[SAMPLES], i;

	memset(pages, 0, sizeof(pages));
	for (i = 0; i < SAMPLES; i++) {
		require(rpcbuf_alloc_bulk_array(mm, 0, VECTOR, pages[i]) ==
			VECTOR);
		runs[i] = rpcbuf_bulk_runs(VECTOR, pages[i]);
	}
	for (i = 0; i < SAMPLES; i++)
		rpcbuf_free_bulk_array(mm, VECTOR, pages[i]);
	qsort(runs, SAMPLES, sizeof(*runs), by_value);
	*most = runs[SAMPLES - 1];
	return runs[SAMPLES / 2];
}

static void run(uint64_t seed, uint64_t until)
{
	unsigned int i, median, most;
	pthread_t threads[2];

	(void)until;
	mm = test_create(16384);
	left = OPERATIONS;
	memset(arrays, 0, sizeof(arrays));
	for (i = 0; i < SHARED; i++)
		pthread_mutex_init(&arrays[i].lock, NULL);
	for (i = 0; i < 2; i++)
		require(pthread_create(&threads[i], NULL, traffic,
				       (void *)(uintptr_t)test_random(&seed)) ==
			0);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	median = median_runs(&most);
	printf("runs of a 257-page vector after %u fills and releases: median "
	       "%u, most %u\n",
	       OPERATIONS, median, most);
	require(median <= 16);
	for (i = 0; i < SHARED; i++) {
		rpcbuf_free_bulk_array(mm, arrays[i].nr, arrays[i].pages);
		pthread_mutex_destroy(&arrays[i].lock);
	}
	test_destroy(mm);
}

int main(int argc, char **argv)
{
	(void)argc;
	return stress_main(argv, 4, run);
}
