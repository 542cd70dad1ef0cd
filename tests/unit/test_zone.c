/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a zone allocates each free page once, keeps runs whole, and its
 * bitmaps, orders, lists and counts agree at all times.
 * Method: compare the order functions with slow ones, drive the policy through
 * small cases, and run long random takes and puts beside a model that is an
 * array of flags.
 */
#include "mm_util.h"

#define MAX_PAGES 5000u

static struct arena arena;
static struct zone zone;
static void *blocks;
static struct os_u32 links[16384];

static int8_t list_of(uint32_t number)
{
	return os_load(&os_unlocked(&zone.lists)->blocks[number].list);
}

static void setup(uint64_t nr_pages)
{
	ck_assert_uint_le(nr_pages, sizeof(links) / sizeof(links[0]));
	memset(links, 0, sizeof(links));
	size_t footprint = (zone_footprint(nr_pages) + 4095) & ~(size_t)4095;

	ck_assert_int_eq(arena_map(&arena, nr_pages, true), 0);
	ck_assert_int_eq(os_map(&blocks, footprint, 4096), 0);
	zone_init(&zone, &arena, blocks, links);
}

static void teardown(void)
{
	const char *wrong = zone_is_valid(&zone);

	ck_assert_msg(wrong == NULL, "%s", wrong);
	os_unmap(blocks,
		 (zone_footprint(arena.nr_pages) + 4095) & ~(size_t)4095);
	arena_unmap(&arena);
}

static bool zone_take_run(struct zone *from, void **pages, unsigned int want)
{
	char *first = zone_take_run_above(from, want, 0);
	unsigned int i;

	for (i = 0; first && i < want; i++)
		pages[i] = first + i * RPCBUF_PAGE_SIZE;
	return first != NULL;
}

static uint64_t take_all(void **pages, bool adjacent)
{
	uint64_t taken = 0;
	unsigned int n;

	while ((n = zone_take(&zone, pages + taken, ZONE_BATCH, adjacent)))
		taken += n;
	return taken;
}

static void put_all(void **pages, uint64_t nr)
{
	uint64_t i;

	for (i = 0; i < nr; i += ZONE_BATCH)
		zone_put(&zone, pages + i,
			 (unsigned int)rpcbuf_min(nr - i, (uint64_t)64));
}

/* All pages free: one list of whole blocks, and the cut last one. */
static void assert_coalesced(void)
{
	uint32_t whole = (uint32_t)(zone.nr_pages / ZONE_BLOCK_PAGES), i;

	ck_assert_uint_eq(os_load(&zone.nr_free), zone.nr_pages);
	for (i = 0; i < rpcbuf_min(os_load(&zone.fresh), whole); i++)
		ck_assert_int_eq(list_of(i), ZONE_BLOCK_ORDER);
}

static int slow_order(const uint64_t *words, unsigned int nr_bits)
{
	int order, found = -1;

	for (order = 0; 1u << order <= nr_bits; order++) {
		unsigned int size = 1u << order, at, i;

		for (at = 0; at < nr_bits; at += size) {
			for (i = at; i < at + size; i++)
				if (!(words[i / 64] >> i % 64 & 1))
					break;
			if (i == at + size)
				found = order;
		}
	}
	return found;
}

START_TEST(orders)
{
	uint64_t seed = test_seed();
	int round;

	for (round = 0; round < TEST_ROUNDS(20000); round++) {
		struct zone_block block = {.nr_free = 0};
		unsigned int w;

		for (w = 0; w < 8; w++) {
			uint64_t bits = (uint64_t)test_random(&seed) << 32 |
					test_random(&seed);

			/* Sparse, dense, full, empty, half. */
			switch (test_below(&seed, 6)) {
			case 0:
				bits &= (uint64_t)test_random(&seed) << 32;
				break;
			case 1:
				bits |= ~(1ull << test_below(&seed, 64));
				break;
			case 2:
			case 3:
				bits = ~0ull;
				break;
			case 4:
				bits = 0;
				break;
			}
			block.free[w] = bits;
			block.word_order[w] = zone_word_order(bits);
			require(block.word_order[w] == slow_order(&bits, 64));
		}
		require(zone_block_order(&block) ==
			slow_order(block.free, 512));
	}
}
END_TEST

START_TEST(fresh_pages_are_adjacent)
{
	void *pages[320];
	unsigned int i;

	setup(2048);
	for (i = 0; i < 320; i += 64)
		ck_assert_uint_eq(zone_take(&zone, pages + i, 64, true), 64);
	ck_assert_uint_eq(test_nr_runs(pages, 320), 1);
	ck_assert_ptr_eq(pages[0], (void *)arena.base);
	ck_assert_uint_eq(os_load(&zone.fresh), 1);
	put_all(pages, 320);
	assert_coalesced();
	teardown();
}
END_TEST

/* Nothing is lost at the end of a budget that fills no word or block. */
START_TEST(odd_budgets)
{
	static const uint64_t sizes[] = {16,  63,  64,	 65,   511,
					 512, 513, 1000, 1025, 4999};
	void **pages = calloc(MAX_PAGES, sizeof(*pages));
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		setup(sizes[i]);
		ck_assert_uint_eq(take_all(pages, i % 2), sizes[i]);
		ck_assert_uint_eq(zone_nr_free(&zone), 0);
		put_all(pages, sizes[i]);
		assert_coalesced();
		ck_assert_uint_eq(take_all(pages, !(i % 2)), sizes[i]);
		put_all(pages, sizes[i]);
		teardown();
	}
	free(pages);
}
END_TEST

/* They come from one block while its pages last, and neither break up others
 * nor take what vectors have left over; once all of a block is free again it
 * serves every request. */
START_TEST(single_pages_keep_to_their_blocks)
{
	void *runs[4][200], *pages[600], *more[2];
	unsigned int i;

	setup(4096);
	for (i = 0; i < 4; i++)
		ck_assert(zone_take_run(&zone, runs[i], 200));
	ck_assert_uint_eq(os_load(&zone.fresh), 2);
	for (i = 0; i < 512; i++)
		ck_assert_uint_eq(zone_take(&zone, pages + i, 1, false), 1);
	for (i = 0; i < 512; i++)
		require(arena_index(&arena, pages[i]) / 512 == 2);
	ck_assert_uint_eq(os_load(&zone.fresh), 3);
	/* Returned ones are used before another block is. */
	zone_put(&zone, pages + 100, 64);
	ck_assert_int_eq(list_of(2), ZONE_SINGLES + 5);
	ck_assert_uint_eq(zone_take(&zone, pages + 100, 64, false), 64);
	ck_assert_uint_eq(zone_take(&zone, more, 2, false), 2);
	ck_assert_uint_eq(arena_index(&arena, more[0]) / 512, 3);
	/* A vector does without them. */
	ck_assert_uint_eq(zone_take(&zone, pages + 512, 64, true), 64);
	ck_assert_uint_lt(arena_index(&arena, pages[512]) / 512, 2);
	put_all(pages, 576);
	zone_put(&zone, more, 2);
	ck_assert_int_eq(list_of(2), ZONE_BLOCK_ORDER);
	for (i = 0; i < 4; i++)
		put_all(runs[i], 200);
	assert_coalesced();
	teardown();
}
END_TEST

/* Each kind takes from the blocks of the other when there is nothing else. */
START_TEST(neither_kind_fails_while_there_are_pages)
{
	void **pages = calloc(MAX_PAGES, sizeof(*pages)), *got[64];

	setup(1024);
	ck_assert_uint_eq(zone_take(&zone, got, 1, false), 1);
	ck_assert_uint_eq(take_all(pages, true), 1023);
	put_all(pages, 1023);
	zone_put(&zone, got, 1);
	assert_coalesced();
	ck_assert(zone_take_run(&zone, pages, 200));
	ck_assert_uint_eq(take_all(pages + 200, false), 824);
	put_all(pages + 200, 824);
	ck_assert(zone_take_run(&zone, pages + 200, 300));
	ck_assert(zone_take_run(&zone, pages + 500, 300));
	put_all(pages, 800);
	assert_coalesced();
	teardown();
	free(pages);
}
END_TEST

/* Without 64 in a row there is 32, then 16, and in the end single pages. */
START_TEST(shortage_takes_what_there_is)
{
	void **pages = calloc(MAX_PAGES, sizeof(*pages));
	void *got[64];
	unsigned int i;

	setup(512);
	ck_assert_uint_eq(take_all(pages, true), 512);
	put_all(pages + 64, 32);
	put_all(pages + 256, 16);
	for (i = 0; i < 64; i += 2)
		zone_put(&zone, pages + i, 1);
	ck_assert_uint_eq(zone_take(&zone, got, 64, true), 64);
	ck_assert_uint_eq(test_nr_runs(got, 32), 1);
	ck_assert_uint_eq(test_nr_runs(got + 32, 16), 1);
	ck_assert_uint_eq(zone_take(&zone, got, 64, true), 16);
	ck_assert_uint_eq(zone_take(&zone, got, 64, true), 0);
	ck_assert_uint_eq(zone_take(&zone, got, 1, false), 0);
	teardown();
	free(pages);
}
END_TEST

START_TEST(double_put_is_refused)
{
	void *pages[64], *twice[3];

	setup(2048);
	ck_assert_uint_eq(zone_take(&zone, pages, 64, true), 64);
	zone_put(&zone, pages, 2);
	zone_put(&zone, pages, 2);
	ck_assert_uint_eq(os_load(&zone.refused), 2);
	ck_assert_uint_eq(zone_nr_free(&zone), 2048 - 62);
	/* Twice in one array, and never allocated at all. */
	twice[0] = twice[2] = pages[2];
	twice[1] = arena_page(&arena, 1500);
	zone_put(&zone, twice, 3);
	ck_assert_uint_eq(os_load(&zone.refused), 4);
	ck_assert_uint_eq(zone_nr_free(&zone), 2048 - 61);
	put_all(pages + 3, 61);
	ck_assert_uint_eq(zone_nr_free(&zone), 2048);
	assert_coalesced();
	teardown();
}
END_TEST

/* A run is cut from the smallest that serves it, and goes back into it. */
START_TEST(runs_of_any_length)
{
	void **all = calloc(MAX_PAGES, sizeof(*all)), *pages[512], *other[512];
	unsigned int n;

	setup(4096);
	for (n = 1; n <= 512; n++) {
		ck_assert(zone_take_run(&zone, pages, n));
		ck_assert_uint_eq(test_nr_runs(pages, n), 1);
		ck_assert_uint_eq(zone_nr_free(&zone), 4096 - n);
		put_all(pages, n);
		ck_assert_uint_eq(os_load(&zone.fresh), 1);
	}
	assert_coalesced();

	/* Two vectors of half a block share one; whole blocks stay whole. */
	ck_assert(zone_take_run(&zone, pages, 200));
	ck_assert(zone_take_run(&zone, other, 256));
	ck_assert_uint_eq(os_load(&zone.fresh), 1);
	ck_assert(zone_take_run(&zone, all, 257));
	ck_assert_uint_eq(os_load(&zone.fresh), 2);
	put_all(all, 257);
	put_all(pages, 200);
	put_all(other, 256);
	assert_coalesced();

	/* Lengths are not rounded to an order: 272 adjacent free pages, which
	 * have no run of 512, serve 257 from the 16th page on. */
	ck_assert_uint_eq(take_all(all, true), 4096);
	for (n = 0; n < 4096; n++)
		all[n] = arena_page(&arena, n);
	put_all(all + 1024 + 97, 287);
	ck_assert(!zone_take_run(&zone, pages, 273));
	ck_assert(!zone_take_run(&zone, pages, 256));
	ck_assert(zone_take_run(&zone, pages, 257));
	ck_assert_ptr_eq(pages[0], all[1024 + 112]);
	put_all(pages, 257);
	put_all(all, 1024 + 97);
	put_all(all + 1024 + 384, 4096 - 1024 - 384);
	assert_coalesced();

	/* None, although there are enough pages: every 33rd is allocated. */
	ck_assert_uint_eq(take_all(all, true), 4096);
	for (n = 0; n < 4096; n++)
		if (n % 33)
			zone_put(&zone, all + n, 1);
	ck_assert(!zone_take_run(&zone, pages, 33));
	ck_assert(!zone_take_run(&zone, pages, 512));
	ck_assert(zone_take_run(&zone, pages, 16));
	put_all(pages, 16);
	for (n = 0; n < 4096; n += 33)
		zone_put(&zone, all + n, 1);
	assert_coalesced();
	teardown();
	free(all);
}
END_TEST

/* Used memory is allocated again before fresh memory is. */
START_TEST(fresh_blocks_come_last)
{
	void *pages[64];
	uint64_t seed = test_seed();
	int round;

	setup(4096);
	for (round = 0; round < 10000; round++) {
		unsigned int n = 1 + test_below(&seed, 64);

		require(zone_take(&zone, pages, n, round % 2) == n);
		zone_put(&zone, pages, n);
	}
	require(os_load(&zone.fresh) == 1);
	teardown();
}
END_TEST

/* The model: a flag per page, and the list of allocated ones. */
START_TEST(random_against_model)
{
	uint64_t seed = test_seed();
	void **out = calloc(MAX_PAGES, sizeof(*out));
	char *is_out = calloc(MAX_PAGES, 1);
	unsigned int nr_pages, nr_out = 0;
	int round;

	nr_pages = 64 + test_below(&seed, MAX_PAGES - 64);
	setup(nr_pages);
	for (round = 0; round < TEST_ROUNDS(200000); round++) {
		unsigned int n =
			test_below(&seed, 3) ? 1 + test_below(&seed, 64) : 1;
		unsigned int i, got;
		void *pages[64];

		/* Drifts between empty and full. */
		if (test_below(&seed, 100) < (round / 2000 % 2 ? 60u : 40u)) {
			if (test_below(&seed, 10) == 0) {
				got = zone_take_run(&zone, pages, n) ? n : 0;
				require(!got || test_nr_runs(pages, n) == 1);
			} else {
				got = zone_take(&zone, pages, n,
						(bool)test_below(&seed, 2));
				require(got ==
					rpcbuf_min(n, nr_pages - nr_out));
			}
			for (i = 0; i < got; i++) {
				uint64_t index = arena_index(&arena, pages[i]);

				require(index < nr_pages);
				require(!is_out[index]);
				is_out[index] = 1;
				out[nr_out++] = pages[i];
			}
		} else {
			n = rpcbuf_min(n, nr_out);
			for (i = 0; i < n; i++) {
				unsigned int k = test_below(&seed, nr_out);

				pages[i] = out[k];
				out[k] = out[--nr_out];
				is_out[arena_index(&arena, pages[i])] = 0;
			}
			zone_put(&zone, pages, n);
		}
		require(zone_nr_free(&zone) == nr_pages - nr_out);
		if (round % 500 == 0)
			require(zone_is_valid(&zone) == NULL);
	}
	put_all(out, nr_out);
	assert_coalesced();
	require(os_load(&zone.refused) == 0);
	teardown();
	free(out);
	free(is_out);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("zone");
	TCase *tcase = tcase_create("zone");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, orders);
	tcase_add_test(tcase, fresh_pages_are_adjacent);
	tcase_add_test(tcase, odd_budgets);
	tcase_add_test(tcase, single_pages_keep_to_their_blocks);
	tcase_add_test(tcase, neither_kind_fails_while_there_are_pages);
	tcase_add_test(tcase, shortage_takes_what_there_is);
	tcase_add_test(tcase, double_put_is_refused);
	tcase_add_test(tcase, runs_of_any_length);
	tcase_add_test(tcase, fresh_blocks_come_last);
	tcase_add_test(tcase, random_against_model);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
