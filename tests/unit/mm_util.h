/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Helpers for tests of rpcbuf/mm: repeatable random numbers, instances, and a
 * main() that runs a suite with both kinds of per-CPU locks.
 */
#ifndef TESTS_MM_UTIL_H
#define TESTS_MM_UTIL_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rpcbuf/mm.h>
#include <rpcbuf/mm/instance.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/zone.h>
#include <rpcbuf/os/assert.h>
#include <rpcbuf/os/os.h>

#ifndef __SANITIZE_THREAD__
#define __SANITIZE_THREAD__ 0
#endif
#ifndef __SANITIZE_ADDRESS__
#define __SANITIZE_ADDRESS__ 0
#endif
#define TEST_SANITIZED (__SANITIZE_THREAD__ || __SANITIZE_ADDRESS__)

/* A tenth of the rounds where each costs ten times as much: debug builds ask
 * the kernel whether each page is resident. */
#define TEST_ROUNDS(n) (TEST_SANITIZED || RPCBUF_DEBUG ? (n) / 10 : (n))

/* For loops: Check reports each assertion that holds to the parent process. */
#define require(condition)                              \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

/* From RPCBUF_SEED, or the clock; printed, so that a failure can be
 * repeated. */
static inline uint64_t test_seed(void)
{
	const char *given = getenv("RPCBUF_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0)
			      : os_wall_clock() ^ (uint64_t)getpid();

	printf("RPCBUF_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed | 1;
}

/* xorshift64* */
static inline uint32_t test_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(*state * 0x2545f4914f6cdd1dull >> 32);
}

static inline uint32_t test_below(uint64_t *state, uint32_t n)
{
	return test_random(state) % n;
}

static inline struct rpcbuf *test_create(uint64_t nr_pages)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm = NULL;

	options.memory = nr_pages * RPCBUF_PAGE_SIZE;
	/* Without the maintenance thread; test_maintain.c tests that. */
	options.no_thread = true;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	ck_assert_ptr_nonnull(mm);
	if (getenv("RPCBUF_TEST_AGAIN"))
		mm->wide = false;
	return mm;
}

static inline void test_is_valid(struct rpcbuf *mm)
{
	const char *wrong = mm_is_valid(mm);

	ck_assert_msg(wrong == NULL, "%s", wrong);
}

/* All pages are back, the structures are valid, and the instance can be
 * destroyed. */
static inline void test_destroy(struct rpcbuf *mm)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	test_is_valid(mm);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 0);
	ck_assert_int_eq(rpcbuf_destroy(mm), 0);
}

/* Number of iovecs for a vector. */
static inline unsigned int test_nr_runs(void *const *pages, unsigned int nr)
{
	unsigned int i, runs = nr != 0;

	for (i = 1; i < nr; i++)
		runs += !rpcbuf_adjacent(pages[i - 1], pages[i]);
	return runs;
}

/* Number of blocks that @pages lie in; empty slots do not count. */
static inline unsigned int test_nr_blocks(struct rpcbuf *mm, void *const *pages,
					  unsigned int nr)
{
	bool *seen = calloc(mm->arena.nr_pages / ZONE_BLOCK_PAGES + 1,
			    sizeof(*seen));
	unsigned int i, blocks = 0;

	ck_assert_ptr_nonnull(seen);
	for (i = 0; i < nr; i++) {
		uint64_t block =
			arena_index(&mm->arena, pages[i]) / ZONE_BLOCK_PAGES;

		if (!pages[i] || seen[block])
			continue;
		seen[block] = true;
		blocks++;
	}
	free(seen);
	return blocks;
}

/* Number of resident pages of a mapping. */
static inline uint64_t test_resident(const void *address, uint64_t nr_pages)
{
	unsigned char *vec = malloc(nr_pages);
	uint64_t i, resident = 0;

	ck_assert_ptr_nonnull(vec);
	ck_assert_int_eq(
		mincore((void *)address, nr_pages * RPCBUF_PAGE_SIZE, vec), 0);
	for (i = 0; i < nr_pages; i++)
		resident += vec[i] & 1;
	free(vec);
	return resident;
}

/*
 * Runs the suite as the machine is. Where that uses restartable sequences, runs
 * it again in a process without them and without wide vector instructions, as
 * other machines are.
 */
static inline int test_main(Suite *suite, char **argv)
{
	SRunner *runner = srunner_create(suite);
	bool rseq = os_cpulock_rseq();
	int failed;

	printf("per-CPU locks: %s\n", rseq ? "rseq" : "atomic");
	fflush(stdout);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (failed || !rseq)
		return failed ? EXIT_FAILURE : EXIT_SUCCESS;
	if (getenv("RPCBUF_TEST_AGAIN")) {
		fprintf(stderr, "rseq could not be turned off\n");
		return EXIT_FAILURE;
	}
	setenv("RPCBUF_TEST_AGAIN", "1", 1);
	setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
	execv("/proc/self/exe", argv);
	perror("execv");
	return EXIT_FAILURE;
}

#endif /* TESTS_MM_UTIL_H */
