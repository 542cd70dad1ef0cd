/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a window shows the pages of a vector in order, in both directions, and
 * every refusal is as the header says and leaves nothing behind.
 * Method: scattered, adjacent, repeated and random vectors, whose bytes are
 * compared through both mappings; mappings of the arena are counted.
 */
#include <errno.h>

#include "mm_util.h"
#include <rpcbuf/bulk.h>
#include <rpcbuf/window.h>

static struct rpcbuf *create(bool windows)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm;

	options.memory = 16 << 20;
	options.windows = windows;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	return mm;
}

/* Of the arena's memory, windows included; other mappings of threads and the C
 * library do not count. */
static unsigned int nr_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int nr = 0;
	char line[512];

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps))
		nr += strstr(line, "/memfd:rpcbuf") != NULL;
	fclose(maps);
	return nr;
}

static void shuffle(void **pages, unsigned int nr, uint64_t *state)
{
	unsigned int i, at;
	void *page;

	for (i = nr; i > 1; i--) {
		at = test_below(state, i);
		page = pages[at];
		pages[at] = pages[i - 1];
		pages[i - 1] = page;
	}
}

START_TEST(test_scattered)
{
	struct rpcbuf *mm = create(true);
	unsigned int i, nr = 257, before;
	uint64_t state = test_seed();
	struct rpcbuf_window window;
	void *pages[257] = {NULL};
	uint32_t *words;

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, nr, pages), nr);
	shuffle(pages, nr, &state);
	for (i = 0; i < nr; i++)
		memset(pages[i], (int)i, RPCBUF_PAGE_SIZE);
	before = nr_mappings();
	ck_assert_uint_ge(before, 1);
	ck_assert_int_eq(rpcbuf_window_map(mm, &window, nr, pages), 0);
	ck_assert(window.mapped);
	ck_assert_uint_gt(nr_mappings(), before);
	ck_assert_uint_eq(window.length, nr * RPCBUF_PAGE_SIZE);
	for (i = 0; i < nr; i++) {
		char *page = (char *)window.address + i * RPCBUF_PAGE_SIZE;

		require(memcmp(page, pages[i], RPCBUF_PAGE_SIZE) == 0);
	}
	words = window.address;
	for (i = 0; i < window.length / sizeof(*words); i++)
		words[i] = i;
	for (i = 0; i < nr; i++)
		require(*(uint32_t *)pages[i] ==
			i * RPCBUF_PAGE_SIZE / sizeof(*words));
	rpcbuf_window_unmap(&window);
	ck_assert_ptr_null(window.address);
	rpcbuf_window_unmap(&window);
	ck_assert_uint_eq(nr_mappings(), before);
	rpcbuf_free_bulk_array(mm, nr, pages);
	test_destroy(mm);
}
END_TEST

/* Needs no second mapping, so no option. */
START_TEST(test_adjacent)
{
	struct rpcbuf *mm = create(_i);
	struct rpcbuf_window window;
	void *pages[257];

	ck_assert_uint_eq(rpcbuf_alloc_run(mm, 257, pages), 257);
	ck_assert_int_eq(rpcbuf_window_map(mm, &window, 257, pages), 0);
	ck_assert(!window.mapped);
	ck_assert_ptr_eq(window.address, pages[0]);
	rpcbuf_window_unmap(&window);
	memset(pages[0], 1, RPCBUF_PAGE_SIZE);
	rpcbuf_free_run(mm, 257, pages);
	test_destroy(mm);
}
END_TEST

START_TEST(test_twice)
{
	struct rpcbuf *mm = create(true);
	struct rpcbuf_window window;
	void *page = rpcbuf_alloc_page(mm, 0), *pages[3] = {page, page, page};
	/* To the compiler, two addresses are two bytes. */
	volatile char *bytes;

	ck_assert_int_eq(rpcbuf_window_map(mm, &window, 3, pages), 0);
	bytes = window.address;
	bytes[0] = 'x';
	ck_assert_int_eq(bytes[RPCBUF_PAGE_SIZE], 'x');
	ck_assert_int_eq(bytes[2 * RPCBUF_PAGE_SIZE], 'x');
	rpcbuf_window_unmap(&window);
	rpcbuf_free_page(mm, page);
	test_destroy(mm);
}
END_TEST

START_TEST(test_refusals)
{
	struct rpcbuf *mm = create(false);
	struct rpcbuf_window window = {&window, 7, true, 0};
	void *pages[3] = {NULL}, *odd[2];

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 3, pages), 3);
	odd[0] = pages[2];
	odd[1] = pages[0];
	ck_assert_int_eq(rpcbuf_window_map(mm, &window, 2, odd), -ENOTSUP);
	ck_assert_int_eq(rpcbuf_window_map(mm, &window, 0, pages), -EINVAL);
	ck_assert_int_eq(
		rpcbuf_window_map(mm, &window, RPCBUF_WINDOW_MAX + 1, pages),
		-EINVAL);
	odd[1] = (char *)pages[0] + 1;
	ck_assert_int_eq(rpcbuf_window_map(mm, &window, 2, odd), -EINVAL);
	odd[1] = NULL;
	ck_assert_int_eq(rpcbuf_window_map(mm, &window, 2, odd), -EINVAL);
	odd[1] = &window;
	ck_assert_int_eq(rpcbuf_window_map(mm, &window, 2, odd), -EINVAL);
	ck_assert_ptr_eq(window.address, &window);
	ck_assert_uint_eq(window.length, 7);
	rpcbuf_free_bulk_array(mm, 3, pages);
	test_destroy(mm);
}
END_TEST

/* Memory of such an arena is like other memory: committed on use, zero. */
START_TEST(test_shared_arena)
{
	struct rpcbuf *mm = create(true);
	void *pages[64] = {NULL};
	char *bytes;

	ck_assert_uint_eq((uintptr_t)mm->arena.base % OS_HUGE_SIZE, 0);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 64, pages), 64);
	ck_assert_uint_eq(
		test_resident((void *)mm->arena.base, mm->arena.nr_pages), 0);
	bytes = pages[63];
	ck_assert_int_eq(bytes[100], 0);
	rpcbuf_free_bulk_array(mm, 64, pages);
	test_destroy(mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("window");
	TCase *tc = tcase_create("window");

	(void)argc;
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_scattered);
	tcase_add_loop_test(tc, test_adjacent, 0, 2);
	tcase_add_test(tc, test_twice);
	tcase_add_test(tc, test_refusals);
	tcase_add_test(tc, test_shared_arena);
	suite_add_tcase(suite, tc);
	return test_main(suite, argv);
}
