/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Helpers for stress programs of rpcbuf/mm. */
#ifndef TESTS_STRESS_UTIL_H
#define TESTS_STRESS_UTIL_H

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rpcbuf/mm.h>
#include <rpcbuf/mm/instance.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/zone.h>
#include <rpcbuf/os/os.h>

#define require(condition)                                               \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, \
				__LINE__, #condition);                   \
			abort();                                         \
		}                                                        \
	} while (0)

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

/* Moves the calling thread to a CPU, or lets it run on any. */
static inline void wander(uint64_t *seed)
{
	unsigned int cpu, nr = os_cpu_count();
	bool anywhere = test_below(seed, 2);
	cpu_set_t set;

	CPU_ZERO(&set);
	for (cpu = 0; cpu < nr && cpu < CPU_SETSIZE; cpu++)
		if (anywhere || cpu == test_below(seed, nr))
			CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static inline struct rpcbuf *test_create_nodes(uint64_t nr_pages,
					       unsigned int nodes)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm;

	options.memory = nr_pages * RPCBUF_PAGE_SIZE;
	options.nodes = nodes;
	require(rpcbuf_create(&mm, &options) == 0);
	if (getenv("RPCBUF_TEST_AGAIN"))
		mm->wide = false;
	return mm;
}

static inline struct rpcbuf *test_create(uint64_t nr_pages)
{
	return test_create_nodes(nr_pages, 0);
}

static inline void test_destroy(struct rpcbuf *mm)
{
	const char *wrong = mm_is_valid(mm);
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	if (wrong)
		fprintf(stderr, "%s\n", wrong);
	require(!wrong);
	rpcbuf_mm_counts(mm, &counts);
	require(counts.pages_out == 0 && counts.refused == 0);
	require(rpcbuf_destroy(mm) == 0);
}

/*
 * Seed and duration from the environment (RPCBUF_SEED, RPCBUF_STRESS_SECONDS),
 * then @run once with restartable sequences, where the machine has them, and
 * once in a process without, and without wide vectors.
 */
static inline int stress_main(char **argv, uint64_t seconds,
			      void (*run)(uint64_t seed, uint64_t until))
{
	const char *seed_given = getenv("RPCBUF_SEED");
	const char *seconds_given = getenv("RPCBUF_STRESS_SECONDS");
	bool rseq = os_cpulock_rseq();
	uint64_t seed;

	seed = seed_given ? strtoull(seed_given, NULL, 0)
			  : os_wall_clock() ^ (uint64_t)getpid();
	if (seconds_given)
		seconds = strtoull(seconds_given, NULL, 0);
	printf("RPCBUF_SEED=%llu, %llu s, per-CPU locks: %s\n",
	       (unsigned long long)seed, (unsigned long long)seconds,
	       rseq ? "rseq" : "atomic");
	fflush(stdout);
	run(seed | 1, os_now() + seconds * 1000000000ull);
	fflush(stdout);
	if (!rseq)
		return EXIT_SUCCESS;
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

#endif /* TESTS_STRESS_UTIL_H */
