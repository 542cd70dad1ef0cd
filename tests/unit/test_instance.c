/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: options are checked, older and newer programs are accepted, an instance
 * takes almost no memory until it is used, and cannot be destroyed while it is
 * used.
 * Method: create with every limit and one past it; check what is resident.
 */
#include <errno.h>
#include <sys/resource.h>

#include "mm_util.h"

static int create(uint64_t memory)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm = (void *)&options;
	int err;

	options.memory = memory;
	err = rpcbuf_create(&mm, &options);
	if (err)
		ck_assert_ptr_eq(mm, (void *)&options);
	else
		test_destroy(mm);
	return err;
}

START_TEST(memory_limits)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	struct rpcbuf *mm;

	ck_assert_int_eq(create(0), -EINVAL);
	ck_assert_int_eq(create(RPCBUF_MEMORY_MIN - 1), -EINVAL);
	ck_assert_int_eq(create(RPCBUF_MEMORY_MIN), 0);
	ck_assert_int_eq(create(RPCBUF_MEMORY_MAX + 1), -EINVAL);
	ck_assert_int_eq(create(UINT64_MAX), -EINVAL);

	/* Rounded down to pages. */
	options.memory = RPCBUF_MEMORY_MIN + 4095;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_total, 16);
	test_destroy(mm);
}
END_TEST

#if !TEST_SANITIZED
START_TEST(huge_instance_costs_nothing)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm;
	void *page;

	options.memory = (uint64_t)1 << 40;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	page = rpcbuf_alloc_page(mm, 0);
	ck_assert_ptr_nonnull(page);
	ck_assert_uint_lt(test_resident(mm, mm->footprint / 4096), 32);
	ck_assert_uint_eq(test_resident((void *)mm->arena.base, 1 << 20), 0);
	rpcbuf_free_page(mm, page);
	ck_assert_int_eq(rpcbuf_destroy(mm), 0);
}
END_TEST
#endif

#if !TEST_SANITIZED /* sanitizers need the address space themselves */
START_TEST(no_address_space)
{
	struct rlimit limit = {.rlim_cur = 1 << 30, .rlim_max = 1 << 30};

	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	/* The arena does not fit; then not even its metadata does. */
	ck_assert_int_eq(create((uint64_t)4 << 30), -ENOMEM);
	ck_assert_int_eq(create((uint64_t)8 << 40), -ENOMEM);
	/* Failed attempts leave nothing behind. */
	ck_assert_int_eq(create((uint64_t)900 << 20), 0);
}
END_TEST
#endif

START_TEST(busy_while_pages_are_out)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf *mm = test_create(1000);
	void *pages[100] = {NULL};

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 100, pages), 100);
	rpcbuf_free_bulk_array(mm, 99, pages);
	ck_assert_int_eq(rpcbuf_destroy(mm), -EBUSY);
	/* Unharmed. */
	memset(pages[99], 1, 4096);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 100, pages), 100);
	rpcbuf_free_bulk_array(mm, 100, pages);

	rpcbuf_wait_join(mm, &waiter);
	ck_assert_int_eq(rpcbuf_destroy(mm), -EBUSY);
	rpcbuf_wait_leave(&waiter);
	test_destroy(mm);
}
END_TEST

START_TEST(two_instances)
{
	struct rpcbuf *a = test_create(512), *b = test_create(512);
	void *page = rpcbuf_alloc_page(a, 0);

	ck_assert(rpcbuf_owns(a, page));
	ck_assert(!rpcbuf_owns(b, page));
	test_destroy(b);
	rpcbuf_free_page(a, page);
	test_destroy(a);
}
END_TEST

START_TEST(counts_add_up)
{
	struct rpcbuf *mm = test_create(2048);
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	void *pages[300] = {NULL};

	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_total, 2048);
	ck_assert_uint_eq(counts.pages_out, 0);
	ck_assert_uint_eq(counts.pages_cached, 0);
	ck_assert_uint_eq(counts.refused, 0);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 300, pages), 300);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 300);
	rpcbuf_free_bulk_array(mm, 300, pages);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 0);
	ck_assert_uint_le(counts.pages_cached, 2048 / 4 + 128);
	test_destroy(mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("instance");
	TCase *tcase = tcase_create("instance");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, memory_limits);
#if !TEST_SANITIZED
	tcase_add_test(tcase, huge_instance_costs_nothing);
	tcase_add_test(tcase, no_address_space);
#endif
	tcase_add_test(tcase, busy_while_pages_are_out);
	tcase_add_test(tcase, two_instances);
	tcase_add_test(tcase, counts_add_up);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
