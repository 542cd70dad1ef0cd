/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the contract of rpcbuf/os holds on this kernel, and where the kernel
 * refuses membarrier the per-CPU locks fall back.
 * Method: plain counters that many threads increment show mutual exclusion; a
 * seccomp filter refuses membarrier, as containers do.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <rpcbuf/os/lock.h>
#include <rpcbuf/os/stat.h>
#include <rpcbuf/os/table.h>

#include "mm_util.h"

#define THREADS 4

static uint64_t rounds;
static uint64_t counter; /* plain: protected by the locks */
static struct os_bool stop;

START_TEST(map_aligns)
{
	static const size_t aligns[] = {4096, 65536, OS_HUGE_SIZE};
	unsigned int i;
	void *address;

	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(os_map(&address, 12288, aligns[i]), 0);
		ck_assert_uint_eq((uintptr_t)address % aligns[i], 0);
		ck_assert_uint_eq(test_resident(address, 3), 0);
		memset(address, 1, 12288);
		os_unmap(address, 12288);
	}
	ck_assert_int_eq(os_map(&address, SIZE_MAX & ~(size_t)4095, 4096),
			 -ENOMEM);
	ck_assert_int_eq(
		os_map(&address, SIZE_MAX & ~(size_t)4095, OS_HUGE_SIZE),
		-ENOMEM);
}
END_TEST

START_TEST(text_is_cut)
{
	char text[8] = "before";

	ck_assert_int_eq(os_read_text("/proc/no-such-file", text, 8), -ENOENT);
	ck_assert_str_eq(text, "before");
	ck_assert_int_eq(os_read_text("/proc/version", text, 8), 7);
	ck_assert_str_eq(text, "Linux v");
	ck_assert_int_eq(os_read_text("/dev/null", text, 8), 0);
	ck_assert_str_eq(text, "");
}
END_TEST

static void *lock_and_count(void *lock)
{
	uint64_t i;

	for (i = 0; i < rounds; i++) {
		os_lock(lock);
		counter++;
		os_unlock(lock);
	}
	return NULL;
}

START_TEST(lock_excludes)
{
	struct os_lock lock = {0};
	pthread_t threads[THREADS];
	int i;

	rounds = TEST_ROUNDS(100000);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, lock_and_count, &lock);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(counter, THREADS * rounds);
	ck_assert(os_lock_try(&lock));
	ck_assert(!os_lock_try(&lock));
	os_unlock(&lock);
	ck_assert(os_lock_try(&lock));
}
END_TEST

/* One counter per CPU, incremented only under that CPU's lock. */
static struct {
	struct os_cpulock lock;
	uint64_t count;
} * cpus;
static bool rseq;

static bool try_here(unsigned int *cpu)
{
#ifdef OS_HAVE_RSEQ
	if (rseq) {
		*cpu = os_cpu_rseq(os_rseq_area());
		return os_cpulock_try_rseq(os_rseq_area(), *cpu,
					   &cpus[*cpu].lock);
	}
#endif
	*cpu = os_cpu();
	return os_cpulock_try_atomic(&cpus[*cpu].lock);
}

static void *count_on_cpus(void *arg)
{
	struct os_u64 *successes = arg;
	unsigned int cpu;

	while (!os_load(&stop)) {
		if (!try_here(&cpu))
			continue;
		cpus[cpu].count++;
		os_cpulock_release(&cpus[cpu].lock);
		stat_add(*successes, 1);
	}
	return NULL;
}

static void freeze_and_count(unsigned int nr_cpus)
{
	unsigned int i;

	for (i = 0; i < nr_cpus; i++)
		os_cpulock_close(&cpus[i].lock, rseq);
	os_cpulock_settle(rseq);
	for (i = 0; i < nr_cpus; i++) {
		os_cpulock_wait(&cpus[i].lock, rseq);
		cpus[i].count++;
	}
	for (i = 0; i < nr_cpus; i++)
		os_cpulock_open(&cpus[i].lock, rseq);
}

static uint64_t sum_of(const struct os_u64 *successes)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < THREADS; i++)
		sum += os_load(&successes[i]);
	return sum;
}

/* More threads than CPUs, so that holders are preempted, while this thread
 * freezes and counts as well, until all had the lock often.  Between two
 * freezes one of them had it: a freezer that closes the locks right after
 * opening them would leave them open for less time than a thread needs. */
START_TEST(cpulock_excludes)
{
	struct os_u64 successes[THREADS] = {0};
	uint64_t sum, total = 0, freezes = 0;
	unsigned int i, nr_cpus = os_cpu_count();
	pthread_t threads[THREADS];

	rseq = os_cpulock_rseq();
	cpus = calloc(nr_cpus, sizeof(*cpus));
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count_on_cpus, &successes[i]);
	for (i = 0; i < THREADS; i++)
		while (os_load(&successes[i]) < 1000 || freezes < 1000) {
			freeze_and_count(nr_cpus);
			freezes++;
			sum = sum_of(successes);
			while (sum_of(successes) == sum)
				os_relax();
		}
	os_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	sum = sum_of(successes) + freezes * nr_cpus;
	for (i = 0; i < nr_cpus; i++)
		total += cpus[i].count;
	ck_assert_uint_eq(total, sum);
	free(cpus);
}
END_TEST

static void *wake_later(void *arg)
{
	struct os_u32 *word = arg;

	struct timespec pause = {.tv_nsec = 20000000};

	nanosleep(&pause, NULL);
	os_store_seq(word, 1);
	os_futex_wake(os_word(word), 1);
	return NULL;
}

START_TEST(futex)
{
	uint64_t before = os_now();
	pthread_t thread;
	struct os_u32 word = {0};

	ck_assert_int_eq(os_futex_wait(os_word(&word), 1, OS_FOREVER), 0);
	ck_assert_int_eq(os_futex_wait(os_word(&word), 0, before + 1000000),
			 -ETIMEDOUT);
	ck_assert_uint_ge(os_now(), before + 1000000);
	pthread_create(&thread, NULL, wake_later, &word);
	while (os_load_acquire(&word) == 0)
		ck_assert_int_eq(os_futex_wait(os_word(&word), 0, OS_FOREVER),
				 0);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(cpu_number)
{
	cpu_set_t set;

	ck_assert_uint_lt(os_getcpu(), os_cpu_count());
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	ck_assert_uint_eq(os_getcpu(), 0);
	ck_assert_uint_eq(os_cpu(), 0);
}
END_TEST

static void refuse_membarrier(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = filter};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program),
			 0);
}

START_TEST(without_membarrier)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf *mm;
	void *pages[300] = {NULL};

	refuse_membarrier();
	ck_assert_int_eq(os_membarrier_register(), -EPERM);
	ck_assert(!os_cpulock_rseq());
	mm = test_create(300);
	ck_assert(!mm->rseq);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 300, pages), 300);
	rpcbuf_wait_join(mm, &waiter);
	rpcbuf_free_bulk_array(mm, 300, pages);
	ck_assert_uint_gt(rpcbuf_wait_count(&waiter), 0);
	rpcbuf_wait_leave(&waiter);
	test_destroy(mm);
}
END_TEST

static void (*changes[])(void) = {NULL, NULL};
static void (*const stays[])(void) = {(void (*)(void))abort, NULL};
static const int numbers[] = {1, 2, 3};

/* Data is; constants are not, though relocations wrote to them at load time;
 * nor are addresses outside of objects, or past their data. */
START_TEST(tables)
{
	void (*here[2])(void) = {NULL, NULL};

	ck_assert(os_table_is_writable(changes, sizeof(changes)));
	ck_assert(!os_table_is_writable(stays, sizeof(stays)));
	ck_assert(!os_table_is_writable(numbers, sizeof(numbers)));
	ck_assert(!os_table_is_writable(here, sizeof(here)));
	ck_assert(!os_table_is_writable(changes, (size_t)1 << 40));
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("os");
	TCase *tcase = tcase_create("os");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, map_aligns);
	tcase_add_test(tcase, text_is_cut);
	tcase_add_test(tcase, lock_excludes);
	tcase_add_test(tcase, cpulock_excludes);
	tcase_add_test(tcase, futex);
	tcase_add_test(tcase, cpu_number);
	tcase_add_test(tcase, tables);
	tcase_add_test(tcase, without_membarrier);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
