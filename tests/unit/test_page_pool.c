/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a page pool recycles released pages, through cache or ring; maps a page
 * once and unmaps it once; counts users, fragments, hold and release; lets
 * pages leave; and ends only when every page is back.
 * Method: one thread acts as owner and users, and checks counters and a record
 * of mappings; then other threads return pages while the owner works, or waits
 * in destroy.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <rpcbuf/budget.h>
#include <rpcbuf/pool/page_pool.h>

#include "mm_util.h"

#define NR_PAGES 2048u
#define NR	 1024u
#define CACHE	 RPCBUF_PAGE_POOL_CACHE
#define REFILL	 RPCBUF_PAGE_POOL_REFILL

static struct rpcbuf *mm;
static struct rpcbuf_page_pool *pool;
static void *pages[NR];

/* Calls of the callbacks. */
static struct {
	struct os_u32 mapped[NR_PAGES]; /* number of times, per page */
	struct os_u64 maps, unmaps;
	unsigned int fail_every; /* nth call of map fails; 0: none */
	unsigned int warnings;
	char warning[200];
	size_t bytes;
} seen;

static struct os_u32 *mapped(const void *page)
{
	return &seen.mapped[arena_index(&mm->arena, page)];
}

static int map(void *opaque, void *page, size_t bytes)
{
	ck_assert_ptr_eq(opaque, &seen);
	if (seen.fail_every && os_fetch_add(&seen.maps, 1) % seen.fail_every)
		return -ENOMEM;
	if (!seen.fail_every)
		os_fetch_add(&seen.maps, 1);
	require(os_fetch_add(mapped(page), 1) == 0);
	seen.bytes = bytes;
	return 0;
}

static void unmap(void *opaque, void *page, size_t bytes)
{
	(void)opaque;
	require(bytes >= RPCBUF_PAGE_SIZE);
	require(os_fetch_add(mapped(page), -1u) == 1);
	os_fetch_add(&seen.unmaps, 1);
}

static void log_sentence(void *opaque, const char *sentence)
{
	(void)opaque;
	seen.warnings++;
	snprintf(seen.warning, sizeof(seen.warning), "%s", sentence);
}

static struct rpcbuf_page_pool_options options(void)
{
	struct rpcbuf_page_pool_options now = RPCBUF_PAGE_POOL_OPTIONS_INIT;

	now.map = map;
	now.unmap = unmap;
	now.log = log_sentence;
	now.opaque = &seen;
	return now;
}

static void make_pool(unsigned int order, unsigned int ring_size)
{
	struct rpcbuf_page_pool_options now = options();

	now.order = order;
	now.ring_size = ring_size;
	ck_assert_int_eq(rpcbuf_page_pool_create(&pool, mm, &now), 0);
}

static void setup(void)
{
	memset(&seen, 0, sizeof(seen));
	memset(pages, 0, sizeof(pages));
	mm = test_create(NR_PAGES);
	make_pool(0, 256);
}

static void pool_is_valid(void)
{
	const char *wrong = page_pool_is_valid(pool);

	ck_assert_msg(wrong == NULL, "%s", wrong);
}

/* All are put: the pool ends at once, and nothing stays mapped. */
static void end_pool(void)
{
	unsigned int i;

	pool_is_valid();
	ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, 0), 0);
	pool = NULL;
	for (i = 0; i < NR_PAGES; i++)
		require(os_load(&seen.mapped[i]) == 0);
}

static void teardown(void)
{
	rpcbuf_page_pool_put_bulk(pool, NR, pages);
	end_pool();
	test_destroy(mm);
}

static struct rpcbuf_page_pool_stats stats(void)
{
	struct rpcbuf_page_pool_stats now = RPCBUF_PAGE_POOL_STATS_INIT;

	rpcbuf_page_pool_stats(pool, &now);
	return now;
}

static void take(unsigned int nr)
{
	ck_assert_uint_eq(rpcbuf_page_pool_alloc_bulk(pool, 0, nr, pages), nr);
}

START_TEST(bad_options)
{
	struct rpcbuf_page_pool *other = (void *)-1;
	struct rpcbuf_page_pool_options now = options();

	now.order = RPCBUF_ORDER_MAX + 1;
	ck_assert_int_eq(rpcbuf_page_pool_create(&other, mm, &now), -EINVAL);
	now = options();
	now.ring_size = 1000;
	ck_assert_int_eq(rpcbuf_page_pool_create(&other, mm, &now), -EINVAL);
	now.ring_size = RPCBUF_PAGE_POOL_RING_MAX * 2;
	ck_assert_int_eq(rpcbuf_page_pool_create(&other, mm, &now), -EINVAL);
	now.ring_size = RPCBUF_PAGE_POOL_RING_MIN / 2;
	ck_assert_int_eq(rpcbuf_page_pool_create(&other, mm, &now), -EINVAL);
	now = options();
	now.refill = 0;
	ck_assert_int_eq(rpcbuf_page_pool_create(&other, mm, &now), -EINVAL);
	now.refill = REFILL + 1;
	ck_assert_int_eq(rpcbuf_page_pool_create(&other, mm, &now), -EINVAL);
	now = options();
	now.warn_every_ns = 0;
	ck_assert_int_eq(rpcbuf_page_pool_create(&other, mm, &now), -EINVAL);
	now = options();
	ck_assert_int_eq(rpcbuf_page_pool_create(&other, mm, NULL), -EINVAL);
	ck_assert_ptr_eq(other, (void *)-1);
	ck_assert_int_eq(rpcbuf_page_pool_create(&other, mm, &now), 0);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(other, 0), 0);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(NULL, 0), 0);
}
END_TEST

START_TEST(refills_in_bulk)
{
	void *first = rpcbuf_page_pool_alloc(pool, 0);

	ck_assert_ptr_nonnull(first);
	ck_assert_uint_eq(stats().refill_bulk, 1);
	ck_assert_uint_eq(stats().hold, REFILL);
	ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), REFILL);
	ck_assert_uint_eq(rpcbuf_page_pool_page_size(pool, first),
			  RPCBUF_PAGE_SIZE);
	ck_assert_uint_eq(rpcbuf_page_pool_page_size(pool, &first), 0);
	pages[3] = first;
	take(REFILL);
	ck_assert_ptr_eq(pages[3], first);
	ck_assert_uint_eq(stats().refill_bulk, 1);
	/* From a fresh instance they are adjacent, and stay so. */
	ck_assert(rpcbuf_adjacent(pages[0], pages[1]));
	take(REFILL + 1);
	ck_assert_uint_eq(stats().refill_bulk, 2);
	ck_assert_uint_eq(os_load(&seen.maps), 2 * REFILL);
	ck_assert_uint_eq(seen.bytes, RPCBUF_PAGE_SIZE);
	ck_assert_uint_eq(stats().alloc, REFILL + 1);
}
END_TEST

START_TEST(recycles_directly)
{
	unsigned int i;
	void *page;

	take(200);
	for (i = 0; i < 200; i++) {
		page = pages[i];
		pages[i] = NULL;
		rpcbuf_page_pool_put_direct(pool, page);
	}
	rpcbuf_page_pool_put_direct(pool, NULL);
	/* 56 were in the cache; the others go to the ring, as the cache is
	 * full. */
	ck_assert_uint_eq(stats().recycle_cache, CACHE - 56);
	ck_assert_uint_eq(stats().recycle_ring, 200 - (CACHE - 56));
	page = rpcbuf_page_pool_alloc(pool, 0);
	ck_assert_uint_eq(stats().refill_bulk, 4);
	ck_assert_uint_eq(stats().refill_ring, 0);
	ck_assert_uint_eq(os_load(&seen.unmaps), 0);
	rpcbuf_page_pool_put(pool, page);
	/* The cache, the ring, and only then the allocator. */
	take(256);
	ck_assert_uint_eq(stats().refill_bulk, 4);
	ck_assert_uint_ge(stats().refill_ring, 2);
	take(257);
	ck_assert_uint_eq(stats().refill_bulk, 5);
}
END_TEST

START_TEST(full_ring_releases)
{
	take(256 + 64);
	ck_assert_uint_eq(stats().hold, 256 + 64);
	rpcbuf_page_pool_put(pool, NULL);
	rpcbuf_page_pool_put_bulk(pool, NR, pages);
	ck_assert_ptr_null(pages[0]);
	ck_assert_ptr_null(pages[319]);
	ck_assert_uint_eq(stats().recycle_ring, 256);
	ck_assert_uint_eq(stats().ring_full, 64);
	ck_assert_uint_eq(stats().release, 64);
	ck_assert_uint_eq(os_load(&seen.unmaps), 64);
	ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), 256);
	ck_assert_uint_eq(rpcbuf_page_pool_shrink(pool), 256);
	ck_assert_uint_eq(rpcbuf_page_pool_shrink(pool), 0);
	ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), 0);
	take(10);
	ck_assert_uint_eq(rpcbuf_page_pool_flush(pool), REFILL - 10);
	ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), 10);
}
END_TEST

/* A reclaim takes the pages in the ring. */
START_TEST(shrinks_when_memory_is_short)
{
	take(100);
	rpcbuf_page_pool_put_bulk(pool, NR, pages);
	ck_assert_uint_eq(stats().recycle_ring, 100);
	rpcbuf_reclaim(mm, UINT64_MAX);
	ck_assert_uint_eq(stats().release, 100);
	ck_assert_uint_eq(os_load(&seen.unmaps), 100);
	ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), 2 * REFILL - 100);
}
END_TEST

/* Pages in the cache are released in the owner's next call, whichever it is. */
START_TEST(owner_lets_go_when_memory_is_short)
{
	bool puts = _i & 1;
	void *page;

	take(REFILL + 10);
	rpcbuf_reclaim(mm, UINT64_MAX);
	ck_assert_uint_eq(stats().release, 0);
	if (puts) {
		page = pages[0];
		pages[0] = NULL;
		rpcbuf_page_pool_put_direct(pool, page);
		ck_assert_uint_eq(stats().release, REFILL - 10 + 1);
		ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), REFILL + 9);
	} else {
		take(REFILL + 11);
		ck_assert_uint_eq(stats().release, REFILL - 10);
		ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool),
				  2 * REFILL + 10);
	}
	ck_assert_uint_eq(os_load(&seen.unmaps), stats().release);
	/* Once: then it recycles as before. */
	page = pages[1];
	pages[1] = NULL;
	rpcbuf_page_pool_put_direct(pool, page);
	ck_assert_uint_eq(stats().recycle_cache, 1);
	pages[1] = rpcbuf_page_pool_alloc(pool, 0);
	ck_assert_ptr_eq(pages[1], page);
}
END_TEST

START_TEST(some_pages_cannot_be_mapped)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	/* One of four can. */
	seen.fail_every = 4;
	take(100);
	ck_assert_uint_eq(stats().hold, 112);
	ck_assert_uint_eq(stats().map_failed, 3 * 112);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 112);
	/* None can. */
	rpcbuf_page_pool_flush(pool);
	seen.fail_every = UINT32_MAX;
	os_store(&seen.maps, 1);
	ck_assert_ptr_null(rpcbuf_page_pool_alloc(pool, 0));
	ck_assert_uint_eq(rpcbuf_page_pool_alloc_bulk(pool, 0, 110, pages),
			  100);
	ck_assert_uint_eq(stats().alloc_failed, 2);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 100);
	seen.fail_every = 0;
	take(110);
}
END_TEST

START_TEST(shortage)
{
	void *hog[NR_PAGES] = {NULL};

	rpcbuf_alloc_bulk_array(mm, 0, NR_PAGES - 10, hog);
	ck_assert_uint_eq(rpcbuf_page_pool_alloc_bulk(pool, 0, 20, pages), 10);
	ck_assert_ptr_null(rpcbuf_page_pool_alloc(pool, RPCBUF_GFP_WAIT));
	ck_assert_uint_eq(stats().alloc_failed, 2);
	rpcbuf_free_bulk_array(mm, NR_PAGES, hog);
	take(20);
}
END_TEST

START_TEST(several_users)
{
	void *page = rpcbuf_page_pool_alloc(pool, 0);
	char *inside = (char *)page + 100;

	ck_assert_int_eq(rpcbuf_page_pool_get(pool, inside), 0);
	ck_assert_int_eq(rpcbuf_page_pool_get(pool, page), 0);
	ck_assert_int_eq(rpcbuf_page_pool_leave(pool, page), -EBUSY);
	rpcbuf_page_pool_put(pool, inside);
	rpcbuf_page_pool_put(pool, page);
	ck_assert_uint_eq(stats().recycle_ring, 0);
	rpcbuf_page_pool_put(pool, inside);
	ck_assert_uint_eq(stats().recycle_ring, 1);
	ck_assert_int_eq(rpcbuf_page_pool_get(pool, page), -EINVAL);
	ck_assert_int_eq(rpcbuf_page_pool_get(pool, &page), -EINVAL);
	pool_is_valid();

	page = rpcbuf_page_pool_alloc(pool, 0);
	os_store(pool_word(pool, page), POOL_USERS_MAX);
	ck_assert_int_eq(rpcbuf_page_pool_get(pool, page), -EOVERFLOW);
	os_store(pool_word(pool, page), 1);
	rpcbuf_page_pool_put(pool, page);
}
END_TEST

/* A reference of the instance takes the page out of the pool. */
START_TEST(referenced_pages_leave)
{
	void *page = rpcbuf_page_pool_alloc(pool, 0);
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	ck_assert_int_eq(rpcbuf_page_get(mm, page), 0);
	rpcbuf_page_pool_put(pool, page);
	ck_assert_uint_eq(stats().released_ref, 1);
	ck_assert_uint_eq(stats().release, 1);
	ck_assert_uint_eq(os_load(mapped(page)), 0);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, REFILL);
	rpcbuf_free_page(mm, page);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, REFILL - 1);
}
END_TEST

START_TEST(leaving)
{
	void *page = rpcbuf_page_pool_alloc(pool, 0);

	ck_assert_int_eq(rpcbuf_page_pool_leave(pool, (char *)page + 1),
			 -EINVAL);
	ck_assert_int_eq(rpcbuf_page_pool_leave(pool, page), 0);
	ck_assert_int_eq(rpcbuf_page_pool_leave(pool, page), -EINVAL);
	ck_assert_uint_eq(os_load(mapped(page)), 0);
	ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), REFILL - 1);
	rpcbuf_free_page(mm, page);
	page = rpcbuf_page_pool_alloc(pool, 0);
	rpcbuf_page_pool_put(pool, page);
	ck_assert_int_eq(rpcbuf_page_pool_leave(pool, page), -EINVAL);
}
END_TEST

/* A page that is put twice, or was never in use, is refused. */
START_TEST(bad_puts)
{
	void *page;

	if (RPCBUF_DEBUG)
		return;
	page = rpcbuf_page_pool_alloc(pool, 0);
	rpcbuf_page_pool_put(pool, page);
	rpcbuf_page_pool_put(pool, page);
	rpcbuf_page_pool_put_direct(pool, &page);
	page = rpcbuf_alloc_page(mm, 0);
	rpcbuf_page_pool_put(pool, page);
	rpcbuf_free_page(mm, page);
	ck_assert_uint_eq(stats().refused, 3);
	ck_assert_uint_eq(stats().recycle_ring, 1);
}
END_TEST

/* Debug builds name the page and abort. */
START_TEST(bad_puts_abort)
{
	void *page = rpcbuf_page_pool_alloc(pool, 0);

	if (!RPCBUF_DEBUG)
		abort();
	if (_i == 0)
		rpcbuf_page_pool_put(pool, page);
	rpcbuf_page_pool_put(pool, _i == 1 ? &page : page);
	if (_i == 2)
		rpcbuf_page_pool_put(pool, rpcbuf_alloc_page(mm, 0));
}
END_TEST

/* The check finds every kind of error. */
START_TEST(walker)
{
	void *page = rpcbuf_page_pool_alloc(pool, 0);
	struct os_u32 *word = pool_word(pool, page);

	pool_is_valid();
	os_store(word, POOL_IDLE);
	ck_assert_ptr_nonnull(page_pool_is_valid(pool));
	os_store(word, POOL_IDLE | 1);
	ck_assert_ptr_nonnull(page_pool_is_valid(pool));
	os_store(word, (uint32_t)1 << POOL_ORDER_SHIFT);
	ck_assert_ptr_nonnull(page_pool_is_valid(pool));
	os_store(word, 0);
	ck_assert_ptr_nonnull(page_pool_is_valid(pool));
	os_store(word, 1);
	os_store(pool_word(pool, pool->cache[0]), 1);
	ck_assert_ptr_nonnull(page_pool_is_valid(pool));
	os_store(pool_word(pool, pool->cache[0]), POOL_IDLE);
	stat_add(pool->ring.tail, pool->ring.size + 1);
	ck_assert_ptr_nonnull(page_pool_is_valid(pool));
	stat_add(pool->ring.tail, -(uint64_t)(pool->ring.size + 1));
	rpcbuf_page_pool_put(pool, page);
}
END_TEST

START_TEST(fragments)
{
	char *a, *b, *c, *next;

	ck_assert_ptr_null(rpcbuf_page_pool_alloc_frag(pool, 0, 0));
	ck_assert_ptr_null(
		rpcbuf_page_pool_alloc_frag(pool, 0, RPCBUF_PAGE_SIZE + 1));
	a = rpcbuf_page_pool_alloc_frag(pool, 0, 1000);
	b = rpcbuf_page_pool_alloc_frag(pool, 0, 1);
	c = rpcbuf_page_pool_alloc_frag(pool, 0, 3008);
	ck_assert_ptr_eq(b, a + 1024);
	ck_assert_ptr_eq(c, b + 64);
	ck_assert_int_eq(rpcbuf_page_pool_get(pool, b), 0);
	ck_assert_int_eq(rpcbuf_page_pool_leave(pool, a), -EBUSY);
	rpcbuf_page_pool_put(pool, b);
	pool_is_valid();
	/* Full: the next fragment comes from another page, this one has its
	 * users. */
	next = rpcbuf_page_pool_alloc_frag(pool, 0, 64);
	ck_assert(next < a || next >= a + RPCBUF_PAGE_SIZE);
	rpcbuf_page_pool_put(pool, a);
	rpcbuf_page_pool_put(pool, c);
	ck_assert_uint_eq(stats().recycle_ring, 0);
	rpcbuf_page_pool_put(pool, b);
	ck_assert_uint_eq(stats().recycle_ring, 1);

	/* Put before the page is full: it is reused for fragments at once. */
	rpcbuf_page_pool_put(pool, next);
	a = rpcbuf_page_pool_alloc_frag(pool, 0, RPCBUF_PAGE_SIZE);
	ck_assert_ptr_eq(a, next);
	rpcbuf_page_pool_put(pool, a);
	/* Unless there are other references. */
	ck_assert_int_eq(rpcbuf_page_get(mm, a), 0);
	b = rpcbuf_page_pool_alloc_frag(pool, 0, 1);
	ck_assert(a != b);
	rpcbuf_free_page(mm, a);
	ck_assert_uint_eq(stats().released_ref, 1);
	/* Flushed while in use. */
	rpcbuf_page_pool_flush(pool);
	ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), 1);
	rpcbuf_page_pool_put(pool, b);
	c = rpcbuf_page_pool_alloc_frag(pool, 0, 10);
	rpcbuf_page_pool_put(pool, c);
}
END_TEST

START_TEST(orders)
{
	void *single, *run;
	char *frag;

	end_pool();
	make_pool((unsigned int)_i, 256);
	run = rpcbuf_page_pool_alloc(pool, 0);
	ck_assert_uint_eq((uintptr_t)run % (RPCBUF_PAGE_SIZE << _i), 0);
	ck_assert_uint_eq(rpcbuf_page_pool_page_size(pool, run),
			  RPCBUF_PAGE_SIZE << _i);
	ck_assert_uint_eq(seen.bytes, RPCBUF_PAGE_SIZE << _i);
	ck_assert_uint_eq(stats().hold, rpcbuf_max(REFILL >> _i, 1u));
	memset(run, 1, RPCBUF_PAGE_SIZE << _i);
	/* Any address inside will do. */
	rpcbuf_page_pool_put(pool, (char *)run + (RPCBUF_PAGE_SIZE << _i) - 1);
	ck_assert_uint_eq(stats().recycle_ring, 1);
	frag = rpcbuf_page_pool_alloc_frag(pool, 0, RPCBUF_PAGE_SIZE << _i);
	rpcbuf_page_pool_put(pool, frag);
	rpcbuf_page_pool_flush(pool);
	run = rpcbuf_page_pool_alloc(pool, 0);
	ck_assert_int_eq(rpcbuf_page_pool_leave(pool, run), 0);
	rpcbuf_free_pages(mm, run, (unsigned int)_i);
	single = rpcbuf_alloc_page(mm, 0);
	ck_assert_uint_eq(rpcbuf_page_pool_page_size(pool, single), 0);
	rpcbuf_free_page(mm, single);
}
END_TEST

/* No run is free: single pages serve, and are not recycled. */
START_TEST(order_fallback)
{
	void *hog[NR_PAGES] = {NULL}, *page;
	unsigned int i;

	end_pool();
	make_pool(4, 256);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, NR_PAGES, hog),
			  NR_PAGES);
	for (i = 0; i < NR_PAGES; i++)
		if (((uintptr_t)hog[i] >> RPCBUF_PAGE_SHIFT) % 8 == 0)
			rpcbuf_free_bulk_array(mm, 1, hog + i);
	page = rpcbuf_page_pool_alloc(pool, 0);
	ck_assert_ptr_nonnull(page);
	ck_assert_uint_eq(rpcbuf_page_pool_page_size(pool, page),
			  RPCBUF_PAGE_SIZE);
	ck_assert_uint_eq(stats().order_fallback, 4);
	ck_assert_ptr_null(
		rpcbuf_page_pool_alloc_frag(pool, 0, 2 * RPCBUF_PAGE_SIZE));
	rpcbuf_page_pool_put(pool, page);
	ck_assert_uint_eq(stats().recycle_ring, 0);
	ck_assert_uint_eq(stats().ring_full, 0);
	rpcbuf_page_pool_flush(pool);
	ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), 0);
	rpcbuf_free_bulk_array(mm, NR_PAGES, hog);
	page = rpcbuf_page_pool_alloc(pool, 0);
	ck_assert_uint_eq(rpcbuf_page_pool_page_size(pool, page),
			  16 * RPCBUF_PAGE_SIZE);
	rpcbuf_page_pool_put_direct(pool, page);
}
END_TEST

START_TEST(destroy_with_pages_out)
{
	struct rpcbuf_page_pool_options now = options();
	char *frag;

	end_pool();
	now.warn_every_ns = 1000000;
	ck_assert_int_eq(rpcbuf_page_pool_create(&pool, mm, &now), 0);
	take(100);
	frag = rpcbuf_page_pool_alloc_frag(pool, 0, 100);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, 0), -ETIMEDOUT);
	ck_assert_uint_eq(rpcbuf_page_pool_inflight(pool), 101);
	ck_assert_int_eq(rpcbuf_destroy(mm), -EBUSY);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, 30000000), -ETIMEDOUT);
	ck_assert_uint_ge(seen.warnings, 1);
	ck_assert_msg(strstr(seen.warning, "101 pages are still in use") !=
			      NULL,
		      "%s", seen.warning);
	/* Users still own them, and late returns are accepted. */
	memset(pages[0], 1, RPCBUF_PAGE_SIZE);
	ck_assert_uint_eq(os_load(mapped(pages[0])), 1);
	ck_assert_int_eq(rpcbuf_page_pool_get(pool, pages[1]), 0);
	rpcbuf_page_pool_put(pool, pages[1]);
	ck_assert_int_eq(rpcbuf_page_pool_leave(pool, pages[2]), 0);
	rpcbuf_free_page(mm, pages[2]);
	pages[2] = NULL;
	rpcbuf_page_pool_put_bulk(pool, 50, pages);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, 1), -ETIMEDOUT);
	rpcbuf_page_pool_put_bulk(pool, 100, pages);
	rpcbuf_page_pool_put(pool, frag);
	ck_assert_uint_eq(stats().recycle_ring, 0);
	ck_assert_uint_eq(os_load(&seen.unmaps), os_load(&seen.maps));
	ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, 0), 0);
	make_pool(0, 64);
}
END_TEST

static void *put_late(void *unused)
{
	unsigned int i;

	for (i = 0; i < NR; i++) {
		rpcbuf_page_pool_put(pool, pages[i]);
		if (i % 64 == 0)
			sched_yield();
	}
	return unused;
}

/* The last put races with the end of the pool, checked by sanitizers. */
START_TEST(destroy_waits_for_others)
{
	pthread_t thread;
	unsigned int i;

	for (i = 0; i < TEST_ROUNDS(200); i++) {
		ck_assert_uint_eq(
			rpcbuf_page_pool_alloc_bulk(pool, 0, NR, pages), NR);
		pthread_create(&thread, NULL, put_late, NULL);
		ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, UINT64_MAX), 0);
		pthread_join(thread, NULL);
		memset(pages, 0, sizeof(pages));
		ck_assert_uint_eq(os_load(&seen.unmaps), os_load(&seen.maps));
		make_pool(0, 64);
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("page_pool");
	TCase *tcase = tcase_create("page_pool");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, bad_options);
	tcase_add_test(tcase, refills_in_bulk);
	tcase_add_test(tcase, recycles_directly);
	tcase_add_test(tcase, full_ring_releases);
	tcase_add_test(tcase, shrinks_when_memory_is_short);
	tcase_add_loop_test(tcase, owner_lets_go_when_memory_is_short, 0, 2);
	tcase_add_test(tcase, some_pages_cannot_be_mapped);
	tcase_add_test(tcase, shortage);
	tcase_add_test(tcase, several_users);
	tcase_add_test(tcase, referenced_pages_leave);
	tcase_add_test(tcase, leaving);
	tcase_add_test(tcase, bad_puts);
	tcase_add_loop_test_raise_signal(tcase, bad_puts_abort, SIGABRT, 0, 3);
	tcase_add_test(tcase, walker);
	tcase_add_test(tcase, fragments);
	tcase_add_loop_test(tcase, orders, 1, 10);
	tcase_add_test(tcase, order_fallback);
	tcase_add_test(tcase, destroy_with_pages_out);
	tcase_add_test(tcase, destroy_waits_for_others);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
