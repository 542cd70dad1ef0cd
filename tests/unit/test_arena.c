/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: an arena is aligned address space of the asked size that takes no
 * memory until it is written to, and it tells its pages from every other
 * address.
 * Method: map arenas of odd sizes, examine them with mincore(2), and try
 * addresses around and between the pages.
 */
#include <errno.h>
#include <sys/resource.h>

#include "mm_util.h"

START_TEST(aligned_and_lazy)
{
	static const uint64_t sizes[] = {16, 17, 511, 513, 4096, 100001};
	struct arena arena;
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert_int_eq(arena_map(&arena, sizes[i], i % 2), 0);
		ck_assert_uint_eq(arena.base % OS_HUGE_SIZE, 0);
		ck_assert_uint_eq(arena.nr_pages, sizes[i]);
		ck_assert_uint_eq(test_resident((void *)arena.base, sizes[i]),
				  0);
		/* The last byte can be written. */
		((char *)arena_page(&arena, sizes[i]))[-1] = 1;
		arena_unmap(&arena);
	}
}
END_TEST

START_TEST(index_tells_pages_apart)
{
	struct arena arena;
	uint64_t i;

	ck_assert_int_eq(arena_map(&arena, 1000, false), 0);
	for (i = 0; i < 1000; i++)
		ck_assert_uint_eq(arena_index(&arena, arena_page(&arena, i)),
				  i);
	/* Between pages, before the first, behind the last, elsewhere. */
	for (i = 1; i < RPCBUF_PAGE_SIZE; i++)
		ck_assert_uint_ge(
			arena_index(&arena, (char *)arena_page(&arena, 5) + i),
			1000);
	ck_assert_uint_ge(arena_index(&arena, (void *)(arena.base - 4096)),
			  1000);
	ck_assert_uint_ge(arena_index(&arena, (void *)(arena.base - 1)), 1000);
	ck_assert_uint_ge(arena_index(&arena, arena_page(&arena, 1000)), 1000);
	ck_assert_uint_ge(arena_index(&arena, &arena), 1000);
	ck_assert_uint_ge(arena_index(&arena, NULL), 1000);
	arena_unmap(&arena);
}
END_TEST

#if !TEST_SANITIZED /* sanitizers need the address space themselves */
START_TEST(no_address_space)
{
	struct rlimit limit = {.rlim_cur = 1 << 30, .rlim_max = 1 << 30};
	struct arena arena = {.base = 42};

	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(arena_map(&arena, (uint64_t)2 << 30 >> 12, true),
			 -ENOMEM);
	ck_assert_uint_eq(arena.base, 42);
}
END_TEST
#endif

int main(int argc, char **argv)
{
	Suite *suite = suite_create("arena");
	TCase *tcase = tcase_create("arena");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, aligned_and_lazy);
	tcase_add_test(tcase, index_tells_pages_apart);
#if !TEST_SANITIZED
	tcase_add_test(tcase, no_address_space);
#endif
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
