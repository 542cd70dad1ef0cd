/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: whatever cannot be had during a creation, the function returns an
 * error, logs a sentence with the cause, leaves its result unchanged, and keeps
 * nothing; a reserve is created in spite of injected faults.
 * Method: the linker wraps every function that allocates memory, descriptors
 * and threads; the nth call fails, for each n until none fails any more.
 * Descriptors are counted before and after, and the address sanitizer finds
 * what is left on the heap.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <rpcbuf/engine.h>
#include <rpcbuf/fault.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/page_pool.h>
#include <rpcbuf/publish.h>
#include <rpcbuf/rqst.h>
#include <rpcbuf/why.h>

#include "mm_util.h"

static struct {
	struct os_u32 armed;
	struct os_u64 passed, nth;
} gate;

/* False for the call that is to fail. */
static bool passes(void)
{
	return !os_load(&gate.armed) ||
	       os_fetch_add(&gate.passed, 1) + 1 != os_load(&gate.nth);
}

static bool has_failed(void)
{
	return os_load(&gate.passed) >= os_load(&gate.nth);
}

#define GATE(type, failed, error, name, parameters, arguments) \
	type __real_##name parameters;                         \
	type __wrap_##name parameters;                         \
	type __wrap_##name parameters                          \
	{                                                      \
		if (passes())                                  \
			return __real_##name arguments;        \
		errno = (error);                               \
		return failed;                                 \
	}

GATE(void *, NULL, ENOMEM, calloc, (size_t n, size_t size), (n, size))
GATE(void *, NULL, ENOMEM, malloc, (size_t size), (size))
GATE(void *, NULL, ENOMEM, aligned_alloc, (size_t align, size_t size),
     (align, size))
GATE(void *, MAP_FAILED, ENOMEM, mmap,
     (void *at, size_t size, int prot, int flags, int fd, off_t offset),
     (at, size, prot, flags, fd, offset))
GATE(int, -1, EMFILE, eventfd, (unsigned int value, int flags), (value, flags))
GATE(int, -1, EMFILE, epoll_create1, (int flags), (flags))
GATE(int, -1, ENOSPC, epoll_ctl,
     (int fd, int what, int other, struct epoll_event *event),
     (fd, what, other, event))
GATE(int, -1, EMFILE, memfd_create, (const char *name, unsigned int flags),
     (name, flags))
GATE(int, -1, ENOSPC, ftruncate, (int fd, off_t size), (fd, size))
GATE(int, ENOSPC, ENOSPC, posix_fallocate, (int fd, off_t at, off_t size),
     (fd, at, size))
GATE(int, EAGAIN, EAGAIN, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*main)(void *),
      void *arg),
     (thread, attr, main, arg))

/* Unmappings of what is not mapped: by then another thread may have the
 * address. */
static struct os_u32 nr_unmapped_twice;

int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size)
{
	unsigned char resident;

	if (mincore(address, 1, &resident))
		os_fetch_add(&nr_unmapped_twice, 1);
	return __real_munmap(address, size);
}

static void *const untouched = (void *)0x5a5a;
static struct rpcbuf *mm;
static char folder[] = "/tmp/rpcbuf-test.XXXXXX";

static int make_instance(void **out)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	options.harden = RPCBUF_HARDEN_REDZONE;
	return rpcbuf_create((struct rpcbuf **)out, &options);
}

static int make_windows(void **out)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	options.windows = true;
	return rpcbuf_create((struct rpcbuf **)out, &options);
}

static void unmake_instance(void *made)
{
	ck_assert_int_eq(rpcbuf_destroy(made), 0);
}

static int make_mempool(void **out)
{
	return rpcbuf_mempool_create((struct rpcbuf_mempool **)out, mm, 259);
}

static void unmake_mempool(void *made)
{
	ck_assert_int_eq(rpcbuf_mempool_destroy(made), 0);
}

static int make_vector(void **out)
{
	return rpcbuf_rqst_create((struct rpcbuf_rqst **)out, mm, NULL, 259);
}

static void unmake_vector(void *made)
{
	rpcbuf_rqst_destroy(made);
}

static int make_page_pool(void **out)
{
	struct rpcbuf_page_pool_options options = RPCBUF_PAGE_POOL_OPTIONS_INIT;

	return rpcbuf_page_pool_create((struct rpcbuf_page_pool **)out, mm,
				       &options);
}

static void unmake_page_pool(void *made)
{
	ck_assert_int_eq(rpcbuf_page_pool_destroy(made, 0), 0);
}

static int make_publisher(void **out)
{
	struct rpcbuf_publisher_options options = {.size = sizeof(options),
						   .folder = folder};

	return rpcbuf_publisher_create((struct rpcbuf_publisher **)out,
				       &options);
}

static void unmake_publisher(void *made)
{
	rpcbuf_publisher_destroy(made);
}

static void no_call(struct rpcbuf_call *call)
{
	(void)call;
}

static void no_end(void *conn_data, enum rpcbuf_close_reason reason)
{
	(void)conn_data;
	(void)reason;
}

static char said[512];

static void hear(enum rpcbuf_log_level level, const char *line)
{
	if (level == RPCBUF_LOG_ERROR)
		snprintf(said, sizeof(said), "%s", line);
}

static int make_engine(void **out)
{
	static const struct rpcbuf_handlers handlers = {
		.size = sizeof(handlers),
		.call = no_call, .closed = no_end, .log = hear};
	struct rpcbuf_engine_options options = RPCBUF_ENGINE_OPTIONS_INIT;
	int err;

	said[0] = 0;
	options.backend = RPCBUF_BACKEND_EPOLL;
	options.receivers = 2;
	err = rpcbuf_engine_create((struct rpcbuf_engine **)out, mm, &handlers,
				   &options);
	if (err)
		ck_assert_ptr_nonnull(strstr(said, rpcbuf_why()));
	return err;
}

static void unmake_engine(void *made)
{
	while (rpcbuf_engine_stop(made, 1000))
		;
	rpcbuf_engine_destroy(made);
}

static const struct {
	const char *name;
	int (*make)(void **out);
	void (*unmake)(void *made);
	uint64_t least; /* number of known ways to fail */
} things[] = {
	{"instance", make_instance, unmake_instance, 5},
	{"instance with windows", make_windows, unmake_instance, 5},
	{"mempool", make_mempool, unmake_mempool, 1},
	{"vector", make_vector, unmake_vector, 1},
	{"page pool", make_page_pool, unmake_page_pool, 3},
	{"publisher", make_publisher, unmake_publisher, 4},
	{"engine", make_engine, unmake_engine, 12},
};
#define NR_THINGS ((int)(sizeof(things) / sizeof(*things)))

static unsigned int nr_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* So that an earlier sentence is not taken for a new one. */
static void forget(void)
{
	struct rpcbuf_rqst *rqst;

	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, NULL, 0), -EINVAL);
	ck_assert_str_eq(rpcbuf_why(),
			 "maxpages of a vector is 0, must be from "
			 "1 to 4096: Invalid argument");
}

static bool fail_one(int i, uint64_t nth)
{
	void *out = untouched;
	char before[256];
	int err;

	forget();
	snprintf(before, sizeof(before), "%s", rpcbuf_why());
	os_store(&gate.nth, nth);
	os_store(&gate.passed, 0);
	os_store(&gate.armed, 1);
	err = things[i].make(&out);
	os_store(&gate.armed, 0);
	if (!err) {
		things[i].unmake(out);
		return has_failed();
	}
	ck_assert_ptr_eq(out, untouched);
	ck_assert(has_failed());
	ck_assert_str_ne(rpcbuf_why(), before);
	printf("%s %2u: %s\n", things[i].name, (unsigned int)nth, rpcbuf_why());
	return true;
}

START_TEST(each_in_turn)
{
	unsigned int descriptors;
	uint64_t nth;
	void *out;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	mm = test_create(4096);
	/* Opened once per process. */
	ck_assert_int_eq(things[_i].make(&out), 0);
	things[_i].unmake(out);
	descriptors = nr_descriptors();
	for (nth = 1; fail_one(_i, nth); nth++) {
		struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

		ck_assert_uint_eq(nr_descriptors(), descriptors);
		rpcbuf_mm_counts(mm, &counts);
		ck_assert_uint_eq(counts.pages_out, 0);
		ck_assert_uint_eq(counts.pages_reserved, 0);
		ck_assert_uint_eq(os_load(&nr_unmapped_twice), 0);
	}
	ck_assert_uint_gt(nth, things[_i].least);
	/* A failure keeps nothing of the budget either. */
	ck_assert_uint_eq(os_load(&mm->budget.promised), 0);
	test_destroy(mm);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* Refused after the red zones were mapped. */
START_TEST(unreadable_faults)
{
	void *out = untouched;

	setenv("RPCBUF_FAULT", "nth=often", 1);
	ck_assert_int_eq(make_instance(&out), -EINVAL);
	unsetenv("RPCBUF_FAULT");
	ck_assert_ptr_eq(out, untouched);
	ck_assert_uint_eq(os_load(&nr_unmapped_twice), 0);
}
END_TEST

/* Owners of a reserve still get faults. */
START_TEST(reserves_in_spite_of_faults)
{
	static const char *const faults[] = {
		"reserve", "every=2", "every=2,pages=3", "share=900000,seed=3",
		"nth=1,times=1"};
	struct rpcbuf_fault fault = RPCBUF_FAULT_INIT;
	const char *wrong;
	void *out;

	mm = test_create(4096);
	ck_assert_int_eq(rpcbuf_fault_parse(faults[_i], &fault, &wrong), 0);
	ck_assert_int_eq(rpcbuf_fault_set(mm, &fault), 0);
	ck_assert_int_eq(make_mempool(&out), 0);
	unmake_mempool(out);
	ck_assert_int_eq(make_engine(&out), 0);
	unmake_engine(out);
	/* What always fails, or does not exist, is not waited for. */
	ck_assert_int_eq(rpcbuf_fault_parse("every=1", &fault, &wrong), 0);
	ck_assert_int_eq(rpcbuf_fault_set(mm, &fault), 0);
	ck_assert_int_eq(make_mempool(&out), -ENOMEM);
	ck_assert_str_eq(rpcbuf_why(), "no 259 pages now for a reserve: Cannot "
				       "allocate memory");
	ck_assert_int_eq(make_engine(&out), -ENOMEM);
	ck_assert_int_eq(rpcbuf_fault_set(mm, NULL), 0);
	test_destroy(mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("start_failures");
	TCase *tcase = tcase_create("start_failures");

	(void)argc;
	tcase_set_timeout(tcase, 200);
	tcase_add_loop_test(tcase, each_in_turn, 0, NR_THINGS);
	tcase_add_test(tcase, unreadable_faults);
	tcase_add_loop_test(tcase, reserves_in_spite_of_faults, 0, 5);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
