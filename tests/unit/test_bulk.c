/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the bulk calls keep the contract of the kernel's alloc_pages_bulk for
 * every array: full, empty, with holes, or too long for the free pages.
 * Method: arrays that end at an unmapped page, so that an access past the end
 * crashes; every result is compared with a plain implementation of the
 * contract; millions of random operations beside a model.
 */
#include "mm_util.h"

#define MAX_SLOTS 2048u

static struct rpcbuf *mm;
static void **guarded_end; /* the next page is not mapped */

static void setup(void)
{
	char *map = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(mprotect(map + 4 * 4096, 4096, PROT_NONE), 0);
	guarded_end = (void **)(void *)(map + 4 * 4096);
	mm = test_create(4096);
}

static void teardown(void)
{
	test_destroy(mm);
}

/* An array of NULLs; access to slot @nr crashes. */
static void **array(unsigned int nr)
{
	memset(guarded_end - nr, 0, nr * sizeof(void *));
	return guarded_end - nr;
}

static uint64_t out(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_out;
}

static void assert_distinct(void *const *pages, unsigned int nr)
{
	char *seen = calloc(mm->arena.nr_pages, 1);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		uint64_t index = arena_index(&mm->arena, pages[i]);

		require(index < mm->arena.nr_pages);
		require(!seen[index]);
		seen[index] = 1;
	}
	free(seen);
}

START_TEST(empty_array)
{
	unsigned int nr;

	for (nr = 1; nr <= 300; nr++) {
		void **pages = array(nr);

		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, nr, pages),
				  nr);
		assert_distinct(pages, nr);
		ck_assert_uint_eq(out(), nr);
		rpcbuf_free_bulk_array(mm, nr, pages);
		ck_assert_uint_eq(out(), 0);
		while (nr && pages < guarded_end)
			ck_assert_ptr_null(*pages++);
	}
}
END_TEST

START_TEST(full_array)
{
	void *before[300];
	unsigned int nr;

	for (nr = 1; nr <= 300; nr++) {
		void **pages = array(nr);

		rpcbuf_alloc_bulk_array(mm, 0, nr, pages);
		memcpy(before, pages, nr * sizeof(*pages));
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, nr, pages),
				  nr);
		ck_assert_int_eq(memcmp(before, pages, nr * sizeof(*pages)), 0);
		ck_assert_uint_eq(out(), nr);
		rpcbuf_free_bulk_array(mm, nr, pages);
	}
}
END_TEST

START_TEST(no_slots)
{
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 0, NULL), 0);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 0, guarded_end), 0);
	rpcbuf_free_bulk_array(mm, 0, NULL);
	rpcbuf_free_bulk_array(mm, 0, guarded_end);
	ck_assert_uint_eq(out(), 0);
}
END_TEST

START_TEST(one_hole)
{
	static const unsigned int sizes[] = {1, 2, 15, 16, 17, 64, 65, 257};
	unsigned int s, hole;

	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		unsigned int nr = sizes[s];
		void **pages = array(nr);

		rpcbuf_alloc_bulk_array(mm, 0, nr, pages);
		for (hole = 0; hole < nr; hole++) {
			void *before[257];

			rpcbuf_free_bulk_array(mm, 1, pages + hole);
			ck_assert_ptr_null(pages[hole]);
			memcpy(before, pages, nr * sizeof(*pages));
			ck_assert_uint_eq(
				rpcbuf_alloc_bulk_array(mm, 0, nr, pages), nr);
			ck_assert_ptr_nonnull(pages[hole]);
			before[hole] = pages[hole];
			ck_assert_int_eq(
				memcmp(before, pages, nr * sizeof(*pages)), 0);
		}
		assert_distinct(pages, nr);
		rpcbuf_free_bulk_array(mm, nr, pages);
	}
}
END_TEST

START_TEST(scattered_holes)
{
	uint64_t seed = test_seed();
	int round;

	for (round = 0; round < TEST_ROUNDS(20000); round++) {
		unsigned int nr = 1 + test_below(&seed, 400), i;
		void **pages = array(nr), *before[400];
		uint32_t share = test_below(&seed, 101);

		require(rpcbuf_alloc_bulk_array(mm, 0, nr, pages) == nr);
		for (i = 0; i < nr; i++)
			if (test_below(&seed, 100) < share)
				rpcbuf_free_bulk_array(mm, 1, pages + i);
		memcpy(before, pages, nr * sizeof(*pages));
		require(rpcbuf_alloc_bulk_array(mm, 0, nr, pages) == nr);
		for (i = 0; i < nr; i++)
			require(pages[i] &&
				(!before[i] || before[i] == pages[i]));
		assert_distinct(pages, nr);
		rpcbuf_free_bulk_array(mm, nr, pages);
	}
	require(out() == 0);
}
END_TEST

/* Holes are filled from the front; the result is the index of the first hole
 * left. */
START_TEST(shortage)
{
	unsigned int left, nr, i;
	void **all, **pages;

	all = calloc(4096, sizeof(*all));
	for (left = 0; left < 150; left++) {
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 4096, all),
				  4096);
		for (nr = left + 1; nr < 200; nr += 23) {
			rpcbuf_free_bulk_array(mm, left, all);
			pages = array(nr);
			ck_assert_uint_eq(
				rpcbuf_alloc_bulk_array(mm, 0, nr, pages),
				left);
			for (i = 0; i < nr; i++)
				ck_assert((pages[i] != NULL) == (i < left));
			ck_assert_uint_eq(
				rpcbuf_alloc_bulk_array(mm, 0, nr, pages),
				left);
			memcpy(all, pages, left * sizeof(*all));
		}
		rpcbuf_free_bulk_array(mm, 4096, all);
	}
	free(all);
}
END_TEST

START_TEST(shortage_with_holes)
{
	void **all = calloc(4096, sizeof(*all)), **pages = array(200);
	unsigned int i;

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 4096, all), 4096);
	/* Slots 0, 2, 4 … are full, then five pages are left for the holes. */
	for (i = 0; i < 200; i += 2) {
		pages[i] = all[i];
		all[i] = NULL;
	}
	rpcbuf_free_bulk_array(mm, 1, all + 1);
	rpcbuf_free_bulk_array(mm, 4, all + 200);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 200, pages), 11);
	ck_assert_ptr_nonnull(pages[9]);
	ck_assert_ptr_null(pages[11]);
	ck_assert_ptr_nonnull(pages[12]);
	/* No page is left: the result is the first hole again. */
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 200, pages), 11);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
	rpcbuf_free_bulk_array(mm, 200, pages);
	rpcbuf_free_bulk_array(mm, 4096, all);
	free(all);
}
END_TEST

START_TEST(exhaust_and_refill)
{
	void **all = calloc(4096 + 1, sizeof(*all));
	uint64_t seed = test_seed();
	unsigned int round, i;

	for (round = 0; round < 20; round++) {
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 4097, all),
				  4096);
		assert_distinct(all, 4096);
		test_is_valid(mm);
		/* Released one by one, in another order. */
		for (i = 0; i < 4096; i++) {
			unsigned int k = i + test_below(&seed, 4096 - i);
			void *page = all[k];

			all[k] = all[i];
			all[i] = NULL;
			rpcbuf_free_page(mm, page);
		}
		ck_assert_uint_eq(out(), 0);
	}
	free(all);
}
END_TEST

START_TEST(more_than_the_most)
{
	struct rpcbuf *large = test_create(RPCBUF_BULK_MAX + 1000);
	void **pages = calloc(RPCBUF_BULK_MAX + 10, sizeof(*pages));

	ck_assert_uint_eq(
		rpcbuf_alloc_bulk_array(large, 0, RPCBUF_BULK_MAX + 10, pages),
		RPCBUF_BULK_MAX);
	ck_assert_ptr_null(pages[RPCBUF_BULK_MAX]);
	ck_assert_uint_eq(test_nr_runs(pages, RPCBUF_BULK_MAX), 1);
	rpcbuf_free_bulk_array(large, RPCBUF_BULK_MAX + 10, pages);
	test_destroy(large);
	free(pages);
}
END_TEST

/* The allocator does not write to a page, except to zero it on request. */
START_TEST(memory_is_not_touched)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	void **all = calloc(16384, sizeof(*all));
	struct rpcbuf *fresh;
	int round;

	options.no_hugepages = true;
	ck_assert_int_eq(rpcbuf_create(&fresh, &options), 0);
	for (round = 0; round < 3; round++) {
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(fresh, 0, 16384, all),
				  16384);
		rpcbuf_free_bulk_array(fresh, 16384, all);
	}
	ck_assert_uint_eq(test_resident((void *)fresh->arena.base, 16384), 0);
	all[0] = rpcbuf_alloc_page(fresh, RPCBUF_GFP_ZERO);
	ck_assert_uint_eq(test_resident((void *)fresh->arena.base, 16384), 1);
	rpcbuf_free_bulk_array(fresh, 1, all);
	test_destroy(fresh);
	free(all);
}
END_TEST

START_TEST(zeroed_on_request)
{
	static const char zeroes[4096];
	void **pages = array(300), *kept;
	unsigned int nr, i;

	for (nr = 1; nr <= 300; nr += 13) {
		rpcbuf_alloc_bulk_array(mm, 0, nr, pages);
		for (i = 0; i < nr; i++)
			memset(pages[i], 0xa5, 4096);
		/* Only new pages are zeroed; pages in the array keep their
		 * contents. */
		kept = pages[nr / 2];
		pages[nr / 2] = NULL;
		rpcbuf_free_bulk_array(mm, nr, pages);
		pages[nr / 2] = kept;
		ck_assert_uint_eq(
			rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_ZERO, nr, pages),
			nr);
		for (i = 0; i < nr; i++)
			ck_assert((memcmp(pages[i], zeroes, 4096) == 0) ==
				  (i != nr / 2));
		rpcbuf_free_bulk_array(mm, nr, pages);
	}
}
END_TEST

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * Traffic of all sizes, mostly single pages; each array lives for a while.
 * Vectors must consist of runs of 16 or more.
 */
START_TEST(vectors_stay_adjacent)
{
	static const unsigned int sizes[] = {1, 1, 1,  1,  1,  2,
					     5, 9, 15, 17, 65, 257};
	int *runs = calloc(100000, sizeof(*runs)), samples = 0, round;
	unsigned int nr_slots[8] = {0}, i;
	uint64_t seed = test_seed();
	void **arrays[8];

	for (i = 0; i < 8; i++)
		arrays[i] = calloc(257, sizeof(void *));
	for (round = 0; round < TEST_ROUNDS(100000); round++) {
		i = test_below(&seed, 8);
		rpcbuf_free_bulk_array(mm, nr_slots[i], arrays[i]);
		nr_slots[i] = sizes[test_below(&seed, 12)];
		require(rpcbuf_alloc_bulk_array(mm, 0, nr_slots[i],
						arrays[i]) == nr_slots[i]);
		if (nr_slots[i] == 257)
			runs[samples++] = (int)test_nr_runs(arrays[i], 257);
	}
	qsort(runs, (size_t)samples, sizeof(*runs), by_value);
	printf("runs of a 257-page vector, %d vectors in %d random "
	       "operations: median %d, most %d\n",
	       samples, round, runs[samples / 2], runs[samples - 1]);
	fflush(stdout);
	/* 16 whole runs and one page: memory is not scarce here. */
	ck_assert_int_le(runs[samples - 1], 17);
	for (i = 0; i < 8; i++) {
		rpcbuf_free_bulk_array(mm, nr_slots[i], arrays[i]);
		free(arrays[i]);
	}
	free(runs);
}
END_TEST

/*
 * The model: the owner and reference count of each page, kept in plain arrays.
 * 32 arrays of up to 300 slots with holes, on budgets that cannot fill them
 * all.
 */
#define MODEL_ARRAYS 32
#define MODEL_SLOTS  300

struct model {
	void *slots[MODEL_ARRAYS][MODEL_SLOTS];
	uint16_t references[MAX_SLOTS];
	unsigned int nr_pages, nr_out;
};

static uint16_t *references_of(struct model *model, void *page)
{
	uint64_t index = arena_index(&mm->arena, page);

	require(index < model->nr_pages);
	return &model->references[index];
}

static void model_fill(struct model *model, uint64_t *seed)
{
	void **slots = model->slots[test_below(seed, MODEL_ARRAYS)];
	unsigned int nr = test_below(seed, MODEL_SLOTS + 1), ret, i;
	void *before[MODEL_SLOTS], **pages = array(nr);
	bool complete = true;

	memcpy(before, slots, nr * sizeof(*slots));
	memcpy(pages, slots, nr * sizeof(*slots));
	ret = rpcbuf_alloc_bulk_array(mm, 0, nr, pages);
	for (i = 0; i < nr; i++) {
		if (before[i]) {
			require(pages[i] == before[i]);
		} else if (pages[i]) {
			require(complete);
			require((*references_of(model, pages[i]))++ == 0);
			model->nr_out++;
		}
		if (!pages[i]) {
			require(model->nr_out == model->nr_pages);
			if (complete)
				require(ret == i);
			complete = false;
		}
	}
	if (complete)
		require(ret == nr);
	memcpy(slots, pages, nr * sizeof(*slots));
}

static void model_release(struct model *model, uint64_t *seed)
{
	void **slots = model->slots[test_below(seed, MODEL_ARRAYS)];
	unsigned int from = test_below(seed, MODEL_SLOTS);
	unsigned int nr = test_below(seed, MODEL_SLOTS - from + 1), i;
	void **pages = array(nr);

	memcpy(pages, slots + from, nr * sizeof(*slots));
	rpcbuf_free_bulk_array(mm, nr, pages);
	for (i = 0; i < nr; i++) {
		require(pages[i] == NULL);
		if (!slots[from + i])
			continue;
		if (--*references_of(model, slots[from + i]) == 0)
			model->nr_out--;
		slots[from + i] = NULL;
	}
}

/* A second array shares some pages of the first. */
static void model_share(struct model *model, uint64_t *seed)
{
	void **from = model->slots[test_below(seed, MODEL_ARRAYS)];
	void **to = model->slots[test_below(seed, MODEL_ARRAYS)];
	unsigned int n = test_below(seed, 4);

	while (n--) {
		void *page = from[test_below(seed, MODEL_SLOTS)];
		void **slot = &to[test_below(seed, MODEL_SLOTS)];

		if (!page || *slot)
			continue;
		require(rpcbuf_page_get(mm, page) == 0);
		++*references_of(model, page);
		*slot = page;
	}
}

static void model_single(struct model *model, uint64_t *seed)
{
	void **slot = &model->slots[test_below(seed, MODEL_ARRAYS)]
				   [test_below(seed, MODEL_SLOTS)];

	if (*slot) {
		if (--*references_of(model, *slot) == 0)
			model->nr_out--;
		rpcbuf_free_page(mm, *slot);
		*slot = NULL;
		return;
	}
	*slot = rpcbuf_alloc_page(mm, 0);
	if (*slot) {
		require((*references_of(model, *slot))++ == 0);
		model->nr_out++;
	} else {
		require(model->nr_out == model->nr_pages);
	}
}

START_TEST(random_against_model)
{
	static const unsigned int budgets[] = {16, 100, 260, 999, 2048};
	struct model *model = calloc(1, sizeof(*model));
	uint64_t seed = test_seed();
	int round;

	rpcbuf_destroy(mm);
	model->nr_pages = budgets[_i];
	mm = test_create(model->nr_pages);
	for (round = 0; round < TEST_ROUNDS(100000); round++) {
		switch (test_below(&seed, 8)) {
		case 0:
		case 1:
			model_fill(model, &seed);
			break;
		case 2:
		case 3:
			model_release(model, &seed);
			break;
		case 4:
			model_share(model, &seed);
			break;
		default:
			model_single(model, &seed);
			break;
		}
		require(out() == model->nr_out);
		if (round % 1000 == 0)
			test_is_valid(mm);
	}
	for (round = 0; round < MODEL_ARRAYS; round++)
		rpcbuf_free_bulk_array(mm, MODEL_SLOTS, model->slots[round]);
	free(model);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("bulk");
	TCase *tcase = tcase_create("bulk");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, empty_array);
	tcase_add_test(tcase, full_array);
	tcase_add_test(tcase, no_slots);
	tcase_add_test(tcase, one_hole);
	tcase_add_test(tcase, scattered_holes);
	tcase_add_test(tcase, shortage);
	tcase_add_test(tcase, shortage_with_holes);
	tcase_add_test(tcase, exhaust_and_refill);
	tcase_add_test(tcase, more_than_the_most);
	tcase_add_test(tcase, memory_is_not_touched);
	tcase_add_test(tcase, zeroed_on_request);
	tcase_add_test(tcase, vectors_stay_adjacent);
	tcase_add_loop_test(tcase, random_against_model, 0, 5);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
