/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: each hardening does what its flag says, on every path of pages, and
 * debug builds report misuse with the address of the page.
 * Method: contents and addresses of pages are checked; misuse runs in a child
 * process that must abort, with a sentence on standard error that the parent
 * reads.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "mm_util.h"
#include <rpcbuf/bulk.h>
#include <rpcbuf/fault.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/mm/poison.h>

static struct rpcbuf *create(unsigned int harden)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm = NULL;

	options.memory = 16 << 20;
	options.harden = harden;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	return mm;
}

static bool all_bytes(const void *page, int byte)
{
	const unsigned char *bytes = page;
	size_t i;

	for (i = 0; i < RPCBUF_PAGE_SIZE; i++)
		if (bytes[i] != byte)
			return false;
	return true;
}

struct path {
	const char *name;
	unsigned int (*take)(struct rpcbuf *mm, void **pages);
	void (*put)(struct rpcbuf *mm, unsigned int nr, void **pages);
};

static unsigned int take_one(struct rpcbuf *mm, void **pages)
{
	pages[0] = rpcbuf_alloc_page(mm, 0);
	return 1;
}

static unsigned int take_bulk(struct rpcbuf *mm, void **pages)
{
	return rpcbuf_alloc_bulk_array(mm, 0, 100, pages);
}

static unsigned int take_nolock(struct rpcbuf *mm, void **pages)
{
	return rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOLOCK, 30, pages);
}

static unsigned int take_run(struct rpcbuf *mm, void **pages)
{
	return rpcbuf_alloc_run(mm, 100, pages);
}

static unsigned int take_order(struct rpcbuf *mm, void **pages)
{
	unsigned int i;

	pages[0] = rpcbuf_alloc_pages(mm, 0, 5);
	for (i = 1; i < 32; i++)
		pages[i] = (char *)pages[0] + i * RPCBUF_PAGE_SIZE;
	return 32;
}

static void put_order(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	(void)nr;
	rpcbuf_free_pages(mm, pages[0], 5);
}

#define CONTIG 1200

static unsigned int take_contig(struct rpcbuf *mm, void **pages)
{
	unsigned int i;
	char *first = rpcbuf_alloc_contig(mm, 0, CONTIG);

	/* The last 100 of them stand for all. */
	for (i = 0; first && i < 100; i++)
		pages[i] = first + (CONTIG - 100 + i) * RPCBUF_PAGE_SIZE;
	return first ? 100 : 0;
}

static void put_contig(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	rpcbuf_free_contig(mm,
			   (char *)pages[0] - (CONTIG - nr) * RPCBUF_PAGE_SIZE,
			   CONTIG);
}

static const struct path paths[] = {
	{"one", take_one, rpcbuf_free_bulk_array},
	{"bulk", take_bulk, rpcbuf_free_bulk_array},
	{"nolock", take_nolock, rpcbuf_free_bulk_array_nolock},
	{"run", take_run, rpcbuf_free_run},
	{"order", take_order, put_order},
	{"contig", take_contig, put_contig}, /* has no red zone: the last page */
};
#define PATHS ((int)(sizeof(paths) / sizeof(*paths)))

/* A used page that was released is zero: for the next user with zeroing on
 * allocation, in memory with zeroing on release. */
START_TEST(test_init)
{
	const struct path *path = &paths[_i % PATHS];
	bool on_free = _i >= PATHS;
	struct rpcbuf *mm = create(on_free ? RPCBUF_HARDEN_INIT_ON_FREE
					   : RPCBUF_HARDEN_INIT_ON_ALLOC);
	void *pages[100] = {NULL}, *were[100];
	unsigned int round, nr, i;

	for (round = 0; round < 3; round++) {
		nr = path->take(mm, pages);
		ck_assert_uint_gt(nr, 0);
		for (i = 0; i < nr; i++) {
			require(pages[i]);
			if (!on_free)
				require(all_bytes(pages[i], 0));
			memset(pages[i], 0xa5, RPCBUF_PAGE_SIZE);
		}
		memcpy(were, pages, sizeof(were));
		path->put(mm, nr, pages);
		memset(pages, 0, sizeof(pages));
		for (i = 0; on_free && i < nr; i++)
			require(all_bytes(were[i], 0));
	}
	test_destroy(mm);
}
END_TEST

/* The same for pages that stay in a reserve and never reach the zones: the next
 * caller does not see what was written before the release. */
START_TEST(test_init_reserve)
{
	struct rpcbuf *mm = create(_i ? RPCBUF_HARDEN_INIT_ON_FREE
				      : RPCBUF_HARDEN_INIT_ON_ALLOC);
	struct rpcbuf_fault fault = RPCBUF_FAULT_INIT;
	struct rpcbuf_mempool *pool = NULL;
	void *pages[100];
	unsigned int round, i;

	ck_assert_int_eq(rpcbuf_mempool_create(&pool, mm, 100), 0);
	fault.reserve = true;
	ck_assert_int_eq(rpcbuf_fault_set(mm, &fault), 0);
	for (round = 0; round < 3; round++) {
		memset(pages, 0, sizeof(pages));
		ck_assert_uint_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 100,
								  pages),
				  100);
		for (i = 0; i < 100; i++) {
			require(all_bytes(pages[i], 0));
			memset(pages[i], 0xa5, RPCBUF_PAGE_SIZE);
		}
		rpcbuf_mempool_free_bulk_array(pool, 100, pages);
	}
	ck_assert_int_eq(rpcbuf_fault_set(mm, NULL), 0);
	ck_assert_int_eq(rpcbuf_mempool_destroy(pool), 0);
	test_destroy(mm);
}
END_TEST

START_TEST(test_shuffle)
{
	struct rpcbuf *plain = create(0), *mm = create(RPCBUF_HARDEN_SHUFFLE);
	void *pages[1000] = {NULL}, *one, *first;
	unsigned int i, different = 0;

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(plain, 0, 1000, pages), 1000);
	ck_assert_uint_lt(rpcbuf_bulk_runs(1000, pages), 50);
	rpcbuf_free_bulk_array(plain, 1000, pages);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 1000, pages), 1000);
	ck_assert_uint_gt(rpcbuf_bulk_runs(1000, pages), 800);
	rpcbuf_free_bulk_array(mm, 1000, pages);
	/* A released page does not return to the same thread at once. */
	first = rpcbuf_alloc_page(mm, 0);
	rpcbuf_free_page(mm, first);
	for (i = 0; i < 100; i++) {
		one = rpcbuf_alloc_page(mm, 0);
		different += one != first;
		rpcbuf_free_page(mm, one);
	}
	ck_assert_uint_gt(different, 50);
	/* All of them, and none twice. */
	i = 0;
	{
		void **all = calloc(4096, sizeof(*all));

		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(
					  mm, RPCBUF_GFP_RESERVE, 4096, all),
				  4096);
		rpcbuf_free_bulk_array(mm, 4096, all);
		free(all);
	}
	test_destroy(plain);
	test_destroy(mm);
}
END_TEST

/* Behind each allocation; released with it; left out in a shortage. */
START_TEST(test_redzone)
{
	const struct path *path = &paths[_i];
	struct rpcbuf *mm = create(RPCBUF_HARDEN_REDZONE);
	void *pages[100] = {NULL}, **all;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	unsigned int nr = path->take(mm, pages), got;

	ck_assert_uint_gt(nr, 0);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_gt(counts.pages_out, nr);
	ck_assert(all_bytes((char *)pages[nr - 1] + RPCBUF_PAGE_SIZE, 0xbb));
	path->put(mm, nr, pages);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 0);

	all = calloc(4096, sizeof(*all));
	got = rpcbuf_alloc_bulk_array(mm, 0, 4096, all);
	ck_assert_uint_ge(got, 2048);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 4096);
	rpcbuf_free_bulk_array(mm, 4096, all);
	free(all);
	test_destroy(mm);
}
END_TEST

START_TEST(test_environment)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm = NULL;

	setenv("RPCBUF_HARDEN", "init_on_alloc,redzone", 1);
	mm = create(RPCBUF_HARDEN_SHUFFLE);
	ck_assert_uint_eq(os_load(&mm->guard), RPCBUF_HARDEN_INIT_ON_ALLOC |
						       RPCBUF_HARDEN_REDZONE |
						       RPCBUF_HARDEN_SHUFFLE);
	test_destroy(mm);
	mm = NULL;
	setenv("RPCBUF_HARDEN", "redzones", 1);
	ck_assert_int_eq(rpcbuf_create(&mm, &options), -EINVAL);
	unsetenv("RPCBUF_HARDEN");
	options.harden = RPCBUF_HARDEN_ALL + 1;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), -EINVAL);
	ck_assert_ptr_null(mm);
}
END_TEST

/* ------------------------------------------------------------------ misuse */

static void *the_page;

/* Runs @misuse in a child that must abort; writes its output to @said. */
static void must_abort(void (*misuse)(struct rpcbuf *mm), struct rpcbuf *mm,
		       char *said, size_t len)
{
	int fds[2], status;
	size_t at = 0;
	ssize_t n;
	pid_t child;

	ck_assert_int_eq(pipe(fds), 0);
	fflush(NULL);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		dup2(fds[1], 2);
		os_store(&mm->forked, FORK_NONE); /* it acts as the owner */
		misuse(mm);
		_exit(0);
	}
	close(fds[1]);
	while (at < len - 1 && (n = read(fds[0], said + at, len - 1 - at)) > 0)
		at += (size_t)n;
	said[at] = '\0';
	close(fds[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) != 0,
		      "the misuse went unnoticed");
}

static void write_behind(struct rpcbuf *mm)
{
	((char *)the_page)[RPCBUF_PAGE_SIZE + 5] = 1;
	rpcbuf_free_page(mm, the_page);
}

START_TEST(test_damaged_redzone)
{
	struct rpcbuf *mm = create(RPCBUF_HARDEN_REDZONE);
	char said[4096], name[32];

	the_page = rpcbuf_alloc_page(mm, 0);
	must_abort(write_behind, mm, said, sizeof(said));
	snprintf(name, sizeof(name), "%p", the_page);
	ck_assert_msg(strstr(said, name) && strstr(said, "red zone"), "%s",
		      said);
	rpcbuf_free_page(mm, the_page);
	test_destroy(mm);
}
END_TEST

static void free_twice(struct rpcbuf *mm)
{
	rpcbuf_free_page(mm, the_page);
	rpcbuf_free_page(mm, the_page);
}

static void free_foreign(struct rpcbuf *mm)
{
	rpcbuf_free_page(mm, the_page);
}

static void use_after_free(struct rpcbuf *mm)
{
	void *page;
	unsigned int i;

	/* The instance of the parent returns no page here. */
	mm = create(0);
	the_page = rpcbuf_alloc_page(mm, 0);
	memset(the_page, 1, RPCBUF_PAGE_SIZE);
	rpcbuf_free_page(mm, the_page);
	((volatile char *)the_page)[10] = 2;
	for (i = 0; i < 4096; i++)
		page = rpcbuf_alloc_page(mm, 0);
	(void)page;
}

START_TEST(test_debug_misuse)
{
	struct rpcbuf *mm = create(0);
	char said[4096], name[32];
	static const struct {
		void (*misuse)(struct rpcbuf *mm);
		const char *says;
	} cases[] = {
		{free_twice, "is free already"},
		{free_foreign, "is not a page of this instance"},
		{use_after_free, TEST_SANITIZED ? "use-after-poison"
						: "while it was free"},
	};

	the_page = rpcbuf_alloc_page(mm, 0);
	if (cases[_i].misuse == free_foreign) {
		void *ours = the_page;

		the_page = said;
		must_abort(cases[_i].misuse, mm, said, sizeof(said));
		the_page = ours;
		snprintf(name, sizeof(name), "%p", (void *)said);
	} else {
		must_abort(cases[_i].misuse, mm, said, sizeof(said));
		snprintf(name, sizeof(name), "%p", the_page);
	}
	ck_assert_msg(strstr(said, cases[_i].says), "%s", said);
	if (cases[_i].misuse != use_after_free)
		ck_assert_msg(strstr(said, name), "%s", said);
	rpcbuf_free_page(mm, the_page);
	test_destroy(mm);
}
END_TEST

START_TEST(test_owner)
{
	struct rpcbuf *mm = create(0);
	void *page = rpcbuf_alloc_page(mm, 0);
	uint64_t index = arena_index(&mm->arena, page);
	char who[32];

	snprintf(who, sizeof(who), "thread %d allocated", os_thread_id());
	ck_assert_msg(strstr(poison_owner(mm, index), who), "%s",
		      poison_owner(mm, index));
	ck_assert_str_eq(poison_owner(mm, 4095), "it was never handed out");
	rpcbuf_free_page(mm, page);
	test_destroy(mm);
}
END_TEST

/* Builds without debugging refuse the misuse that they detect, and continue. */
START_TEST(test_refused)
{
	struct rpcbuf *mm = create(0);
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	void *page = rpcbuf_alloc_page(mm, 0), *run[16];

	rpcbuf_free_page(mm, (char *)page + 1);
	rpcbuf_free_page(mm, &counts);
	ck_assert_uint_eq(rpcbuf_alloc_run(mm, 16, run), 16);
	{
		void *again[16];

		memcpy(again, run, sizeof(again));
		rpcbuf_free_run(mm, 16, run);
		rpcbuf_free_run(mm, 16, again);
	}
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.refused, 18);
	rpcbuf_free_page(mm, page);
	test_destroy(mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("harden");
	TCase *tc = tcase_create("harden");

	(void)argc;
	tcase_set_timeout(tc, 100);
	tcase_add_loop_test(tc, test_init, 0, PATHS * 2);
	tcase_add_loop_test(tc, test_init_reserve, 0, 2);
	tcase_add_test(tc, test_shuffle);
	tcase_add_loop_test(tc, test_redzone, 0, PATHS - 1);
	tcase_add_test(tc, test_environment);
	tcase_add_test(tc, test_damaged_redzone);
	if (RPCBUF_DEBUG) {
		tcase_add_loop_test(tc, test_debug_misuse, 0,
				    __SANITIZE_THREAD__ ? 2 : 3);
		tcase_add_test(tc, test_owner);
	} else {
		tcase_add_test(tc, test_refused);
	}
	suite_add_tcase(suite, tc);
	return test_main(suite, argv);
}
