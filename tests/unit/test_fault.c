/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: faults hit the requests that they were set for and no others. Every
 * consumer of pages (arrays, lists, callbacks, orders, runs, vectors, streams,
 * mempools, page pools) survives a failure of any single request: it completes
 * or reports an error, and no page is lost.
 * Method: a scenario runs without faults to count its requests, then once per
 * request with that one failing, and once with all failing from there on, up to
 * a limit. After each run every page is free and the structures are valid.
 */
#include <errno.h>

#include "mm_util.h"
#include <rpcbuf/bulk.h>
#include <rpcbuf/fault.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/page_pool.h>
#include <rpcbuf/rqst.h>
#include <rpcbuf/stats.h>
#include <rpcbuf/stream.h>

static void set(struct rpcbuf *mm, struct rpcbuf_fault fault)
{
	fault.size = sizeof(fault);
	ck_assert_int_eq(rpcbuf_fault_set(mm, &fault), 0);
}

/* Which of 30 requests fail, as a string of 0 and 1. */
static const char *pattern(struct rpcbuf *mm)
{
	static char text[31];
	unsigned int i;

	for (i = 0; i < 30; i++) {
		void *page = rpcbuf_alloc_page(mm, 0);

		text[i] = page ? '0' : '1';
		if (page)
			rpcbuf_free_page(mm, page);
	}
	ck_assert_uint_eq(rpcbuf_fault_requests(mm), 30);
	return text;
}

START_TEST(test_which)
{
	struct rpcbuf *mm = test_create(4096);
	struct rpcbuf_stats stats = RPCBUF_STATS_INIT;
	char first[31];
	void *page;

	set(mm, (struct rpcbuf_fault){.nth = 3});
	ck_assert_str_eq(pattern(mm), "001000000000000000000000000000");
	ck_assert_uint_eq(rpcbuf_fault_injected(mm), 1);
	set(mm, (struct rpcbuf_fault){.every = 7});
	ck_assert_str_eq(pattern(mm), "000000100000010000001000000100");
	set(mm, (struct rpcbuf_fault){.every = 2, .times = 3});
	ck_assert_str_eq(pattern(mm), "010101000000000000000000000000");
	ck_assert_uint_eq(rpcbuf_fault_injected(mm), 3);
	set(mm, (struct rpcbuf_fault){.share = 1000000});
	ck_assert_str_eq(pattern(mm), "111111111111111111111111111111");
	set(mm, (struct rpcbuf_fault){.share = 500000, .seed = 1});
	strcpy(first, pattern(mm));
	ck_assert_ptr_nonnull(strchr(first, '0'));
	ck_assert_ptr_nonnull(strchr(first, '1'));
	set(mm, (struct rpcbuf_fault){.share = 500000, .seed = 1});
	ck_assert_str_eq(pattern(mm), first);
	set(mm, (struct rpcbuf_fault){.share = 500000, .seed = 2});
	ck_assert_str_ne(pattern(mm), first);

	set(mm, (struct rpcbuf_fault){.reserve = true});
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
	page = rpcbuf_alloc_page(mm, RPCBUF_GFP_RESERVE);
	ck_assert_ptr_nonnull(page);
	rpcbuf_free_page(mm, page);

	ck_assert_int_eq(rpcbuf_fault_set(mm, NULL), 0);
	page = rpcbuf_alloc_page(mm, 0);
	ck_assert_ptr_nonnull(page);
	rpcbuf_free_page(mm, page);
	ck_assert_int_eq(rpcbuf_stats_read(mm, &stats), 0);
	ck_assert_uint_gt(stats.faults, 40);
	test_destroy(mm);
}
END_TEST

START_TEST(test_partial)
{
	struct rpcbuf *mm = test_create(4096);
	void *pages[200] = {NULL};

	set(mm, (struct rpcbuf_fault){.nth = 2, .pages = 10});
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 200, pages), 74);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 200, pages), 200);
	rpcbuf_free_bulk_array(mm, 200, pages);
	test_destroy(mm);
}
END_TEST

/* The caches release their pages, take none, and work again afterwards. */
START_TEST(test_slow)
{
	struct rpcbuf *mm = test_create(65536);
	unsigned int round, nr = os_load(&mm->nr_pcps);
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	void *pages[300] = {NULL};

	ck_assert_uint_gt(nr, 0);
	for (round = 0; round < 5; round++) {
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 300, pages),
				  300);
		rpcbuf_free_bulk_array(mm, 150, pages);
		rpcbuf_mm_counts(mm, &counts);
		ck_assert_uint_gt(counts.pages_cached, 0);
		set(mm, (struct rpcbuf_fault){.slow = true});
		rpcbuf_mm_counts(mm, &counts);
		ck_assert_uint_eq(counts.pages_cached, 0);
		ck_assert_uint_eq(counts.pages_out, 150);
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 300, pages),
				  300);
		rpcbuf_free_bulk_array(mm, 300, pages);
		ck_assert_uint_eq(rpcbuf_fault_injected(mm), 0);
		test_is_valid(mm);
		ck_assert_int_eq(rpcbuf_fault_set(mm, NULL), 0);
		ck_assert_uint_eq(os_load(&mm->nr_pcps), nr);
	}
	test_destroy(mm);
}
END_TEST

START_TEST(test_refusals)
{
	struct rpcbuf *mm = test_create(64);
	struct rpcbuf_fault fault = RPCBUF_FAULT_INIT;

	fault.share = 1000001;
	ck_assert_int_eq(rpcbuf_fault_set(mm, &fault), -EINVAL);
	test_destroy(mm);
}
END_TEST

START_TEST(test_parse)
{
	static const char *const wrong[] = {
		"nth",	     "nth=",	   "nth=x",	   "nth=-1",
		"nth=1,",    "nth=1 ",	   "nthx=1",	   ",nth=1",
		"slow=1",    "share=1000001", "reserve,nope", "pages=99999999999999999999",
		"slowly",    "",
	};
	struct rpcbuf_fault fault = RPCBUF_FAULT_INIT;
	const char *at;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		at = NULL;
		ck_assert_msg(rpcbuf_fault_parse(wrong[i], &fault, &at) ==
				      -EINVAL,
			      "\"%s\" was accepted", wrong[i]);
		ck_assert(at >= wrong[i] && at <= wrong[i] + strlen(wrong[i]));
		ck_assert_uint_eq(fault.nth, 0);
	}
	ck_assert_int_eq(rpcbuf_fault_parse("nth=5,every=0x10,share=7,seed=8,"
					    "times=9,pages=10,reserve,slow",
					    &fault, &at),
			 0);
	ck_assert_uint_eq(fault.size, sizeof(fault));
	ck_assert_uint_eq(fault.nth, 5);
	ck_assert_uint_eq(fault.every, 16);
	ck_assert_uint_eq(fault.share, 7);
	ck_assert_uint_eq(fault.seed, 8);
	ck_assert_uint_eq(fault.times, 9);
	ck_assert_uint_eq(fault.pages, 10);
	ck_assert(fault.reserve && fault.slow);
}
END_TEST

START_TEST(test_environment)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm = NULL;
	void *page;

	setenv("RPCBUF_FAULT", "nth=1", 1);
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
	page = rpcbuf_alloc_page(mm, 0);
	ck_assert_ptr_nonnull(page);
	rpcbuf_free_page(mm, page);
	test_destroy(mm);
	mm = NULL;
	setenv("RPCBUF_FAULT", "nth=often", 1);
	ck_assert_int_eq(rpcbuf_create(&mm, &options), -EINVAL);
	ck_assert_ptr_null(mm);
	unsetenv("RPCBUF_FAULT");
}
END_TEST

/* -------------------------------------------------- a fault at every request */

#define PAGES 2048

static void array(struct rpcbuf *mm)
{
	void *pages[300] = {NULL};
	unsigned int i, got;

	rpcbuf_alloc_bulk_array(mm, 0, 5, pages + 100);
	got = rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_ZERO, 300, pages);
	for (i = 0; i < got; i++)
		ck_assert_ptr_nonnull(pages[i]);
	rpcbuf_free_bulk_array(mm, 300, pages);
}

static bool take_page(void *page, void *opaque)
{
	struct rpcbuf *mm = opaque;

	rpcbuf_free_page(mm, page);
	return true;
}

static void faces(struct rpcbuf *mm)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	uint8_t orders[5] = {0};
	void *pages[40] = {NULL};
	unsigned int got;

	got = rpcbuf_alloc_bulk_list(mm, 0, 200, &list);
	ck_assert_uint_eq(list.nr, got);
	rpcbuf_free_bulk_list(mm, &list);
	rpcbuf_alloc_bulk_callback(mm, 0, 200, take_page, mm);
	rpcbuf_alloc_bulk_orders(mm, 0, 3, 5, pages, orders);
	rpcbuf_free_bulk_orders(mm, 5, pages, orders);
	got = rpcbuf_alloc_run(mm, 40, pages);
	rpcbuf_free_run(mm, got, pages);
	rpcbuf_free_contig(mm, rpcbuf_alloc_contig(mm, 0, 600), 600);
	rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOLOCK, 20, pages);
	rpcbuf_free_bulk_array_nolock(mm, 20, pages);
}

/* Sleeps on a shortage, and is woken, as there is memory. */
static void vector(struct rpcbuf *mm)
{
	struct rpcbuf_rqst *rqst;
	void *pages[259] = {NULL};

	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, NULL, 259), 0);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	rpcbuf_rqst_take(rqst, 100, pages);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	rpcbuf_rqst_release(rqst);
	while (rpcbuf_rqst_try_fill(rqst) == -EAGAIN)
		;
	rpcbuf_rqst_release(rqst);
	rpcbuf_rqst_want(rqst, 200);
	while (rpcbuf_rqst_try_fill(rqst) == -EAGAIN)
		;
	rpcbuf_rqst_destroy(rqst);
	rpcbuf_free_bulk_array(mm, 259, pages);
}

/* Callers that may sleep are served from a reserve and from released pages, as
 * often as they ask, while all others fail. */
START_TEST(test_reserve)
{
	struct rpcbuf *mm = test_create(512);
	struct rpcbuf_mempool *pool;
	struct rpcbuf_rqst *rqst;
	void *pages[100] = {NULL};
	unsigned int round;

	ck_assert_int_eq(rpcbuf_mempool_create(&pool, mm, 100), 0);
	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, NULL, 100), 0);
	ck_assert_int_eq(rpcbuf_rqst_reserve(rqst, pool), 0);
	set(mm, (struct rpcbuf_fault){.reserve = true});
	for (round = 0; round < 10; round++) {
		ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(
					 pool, RPCBUF_GFP_WAIT, 100, pages),
				 100);
		rpcbuf_free_bulk_array(mm, 100, pages);
		ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
		rpcbuf_rqst_take(rqst, 100, pages);
		rpcbuf_free_bulk_array(mm, 100, pages);
		ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
	}
	ck_assert_int_eq(rpcbuf_fault_set(mm, NULL), 0);
	rpcbuf_rqst_destroy(rqst);
	ck_assert_int_eq(rpcbuf_mempool_destroy(pool), 0);
	test_destroy(mm);
}
END_TEST

#define RECORD 60000u
#define SLOTS  600u

/* Three records of two fragments each, received into vectors. */
static void stream(struct rpcbuf *mm)
{
	static const struct rpcbuf_record_limits limits = {
		.max_length = 1 << 20, .max_fragments = 10, .min_length = 40};
	void *slots[SLOTS], *pages[SLOTS];
	struct rpcbuf_message message = {.pages = pages};
	struct rpcbuf_record_refusal refusal;
	struct rpcbuf_stream stream;
	struct rpcbuf_rqst *rqst;
	unsigned char wire[3 * (RECORD + 8)];
	struct iovec iov[64];
	unsigned int i, n, messages = 0;
	size_t at = 0, room;

	memset(wire, 0, sizeof(wire));
	for (i = 0; i < 3; i++) {
		unsigned char *mark = wire + i * (RECORD + 8);
		uint32_t half = RECORD / 2;

		mark[2] = (unsigned char)(half >> 8);
		mark[3] = (unsigned char)half;
		mark += 4 + half;
		mark[0] = 0x80;
		mark[2] = (unsigned char)(half >> 8);
		mark[3] = (unsigned char)half;
	}
	rpcbuf_stream_init(&stream, mm, slots, SLOTS);
	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, NULL, 20), 0);
	while (at < sizeof(wire)) {
		ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
		n = rpcbuf_stream_iov(&stream, rqst, sizeof(wire) - at, iov,
				      64);
		ck_assert_uint_gt(n, 0);
		for (i = 0, room = 0; i < n; i++) {
			memcpy(iov[i].iov_base, wire + at + room,
			       iov[i].iov_len);
			room += iov[i].iov_len;
		}
		rpcbuf_stream_commit(&stream, rqst, room);
		at += room;
		while (rpcbuf_stream_next(&stream, &limits, &message,
					  &refusal) == 1) {
			ck_assert_uint_eq(message.length, RECORD);
			rpcbuf_message_release(&message);
			messages++;
		}
	}
	ck_assert_uint_eq(messages, 3);
	rpcbuf_stream_reset(&stream);
	rpcbuf_rqst_destroy(rqst);
}

static void mempool(struct rpcbuf *mm)
{
	struct rpcbuf_mempool *pool;
	void *pages[64] = {NULL}, *more[64] = {NULL};
	int err = rpcbuf_mempool_create(&pool, mm, 64);

	if (err) {
		ck_assert_int_eq(err, -ENOMEM);
		return;
	}
	/* A caller that may sleep always gets all pages. */
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(
				 pool, RPCBUF_GFP_WAIT, 64, pages),
			 64);
	ck_assert_int_ge(rpcbuf_mempool_alloc_bulk_array(pool, 0, 64, more),
			 0);
	rpcbuf_mempool_free_bulk_array(pool, 64, more);
	rpcbuf_mempool_free_bulk_array(pool, 64, pages);
	rpcbuf_mempool_destroy(pool);
}

static void page_pool(struct rpcbuf *mm)
{
	struct rpcbuf_page_pool_options options = RPCBUF_PAGE_POOL_OPTIONS_INIT;
	struct rpcbuf_page_pool *pool;
	void *pages[200] = {NULL}, *frag;

	ck_assert_int_eq(rpcbuf_page_pool_create(&pool, mm, &options), 0);
	rpcbuf_page_pool_alloc_bulk(pool, 0, 200, pages);
	frag = rpcbuf_page_pool_alloc_frag(pool, 0, 100);
	rpcbuf_page_pool_put(pool, frag);
	rpcbuf_page_pool_put_bulk(pool, 200, pages);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, 0), 0);
}

static const struct {
	const char *name;
	void (*run)(struct rpcbuf *mm);
} scenarios[] = {
	{"array", array},   {"faces", faces},	  {"vector", vector},
	{"stream", stream}, {"mempool", mempool}, {"page_pool", page_pool},
};
#define SCENARIOS ((int)(sizeof(scenarios) / sizeof(*scenarios)))

static uint64_t run_with(struct rpcbuf *mm, int i, struct rpcbuf_fault fault)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	set(mm, fault);
	scenarios[i].run(mm);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 0);
	ck_assert_uint_eq(counts.refused, 0);
	ck_assert(!rpcbuf_wait_pending(mm));
	return rpcbuf_fault_requests(mm);
}

START_TEST(test_every_request)
{
	struct rpcbuf *mm = test_create(PAGES);
	uint64_t requests, nth;
	unsigned int kind;

	requests = run_with(mm, _i, (struct rpcbuf_fault){.slow = true});
	printf("%s: a fault at each of %u requests\n", scenarios[_i].name,
	       (unsigned int)requests);
	ck_assert_uint_gt(requests, 2);
	for (nth = 1; nth <= requests; nth++) {
		for (kind = 0; kind < 3; kind++)
			run_with(mm, _i,
				 (struct rpcbuf_fault){
					 .nth = nth,
					 .pages = kind == 0   ? 0
						  : kind == 1 ? 1
							      : 15});
		test_is_valid(mm);
	}
	for (nth = 2; nth <= 5; nth++)
		run_with(mm, _i, (struct rpcbuf_fault){.every = nth});
	for (nth = 1; nth <= 20; nth++)
		run_with(mm, _i,
			 (struct rpcbuf_fault){.share = 300000, .seed = nth});
	run_with(mm, _i,
		 (struct rpcbuf_fault){.share = 1000000, .times = 50});
	test_destroy(mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("fault");
	TCase *tc = tcase_create("fault");

	(void)argc;
	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, test_which);
	tcase_add_test(tc, test_partial);
	tcase_add_test(tc, test_slow);
	tcase_add_test(tc, test_reserve);
	tcase_add_test(tc, test_refusals);
	tcase_add_test(tc, test_parse);
	tcase_add_test(tc, test_environment);
	tcase_add_loop_test(tc, test_every_request, 0, SCENARIOS);
	suite_add_tcase(suite, tc);
	return test_main(suite, argv);
}
