/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Making a page pool, and handing out its pages.  How they come back is in
 * page_pool_put.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rpcbuf/os/os.h>
#include <rpcbuf/os/probes.h>
#include <rpcbuf/os/sized.h>
#include <rpcbuf/os/why.h>
#include <rpcbuf/pool/page_pool.h>

static int read_options(struct rpcbuf_page_pool_options *known,
			const struct rpcbuf_page_pool_options *given)
{
	int err;

	if (!given)
		return -EINVAL;
	*known = (struct rpcbuf_page_pool_options)RPCBUF_PAGE_POOL_OPTIONS_INIT;
	err = sized_read(known, sizeof(*known), given);
	if (err)
		return err;
	if (known->order > RPCBUF_ORDER_MAX || known->refill < 1 ||
	    known->refill > RPCBUF_PAGE_POOL_REFILL ||
	    known->ring_size < RPCBUF_PAGE_POOL_RING_MIN ||
	    known->ring_size > RPCBUF_PAGE_POOL_RING_MAX ||
	    known->ring_size & (known->ring_size - 1) || !known->warn_every_ns)
		return -EINVAL;
	return 0;
}

/* The words are committed where the pool's pages lie. */
static int map_words(struct rpcbuf_page_pool *pool)
{
	void *address;
	int err;

	pool->nr_words = pool->mm->arena.nr_pages;
	pool->footprint =
		(pool->nr_words * sizeof(*pool->words) + OS_PAGE_SIZE - 1) &
		~(OS_PAGE_SIZE - 1);
	err = os_map(&address, pool->footprint, OS_PAGE_SIZE);
	if (err)
		return err;
	os_advise_huge(address, pool->footprint, false);
	pool->words = address;
	return 0;
}

static uint64_t inflight(const struct stats_pool *entry)
{
	return rpcbuf_page_pool_inflight(entry->name);
}

/* Memory is short: what lies in the ring goes back, and what the cache has as
 * soon as its owner calls. */
static uint64_t shrink_pool(struct rpcbuf_shrinker *shrinker, uint64_t nr)
{
	struct rpcbuf_page_pool *pool = rpcbuf_container_of(
		shrinker, struct rpcbuf_page_pool, shrinker);

	(void)nr;
	os_store(&pool->floor, RPCBUF_PAGE_POOL_CACHE);
	return (uint64_t)pool_drain_ring(pool) << pool->options.order;
}

int rpcbuf_page_pool_create(struct rpcbuf_page_pool **out, struct rpcbuf *mm,
			    const struct rpcbuf_page_pool_options *options)
{
	struct rpcbuf_page_pool_options known;
	struct rpcbuf_page_pool *pool;
	int err;

	if (fork_is_child(mm))
		return -EPERM;
	err = read_options(&known, options);
	if (err)
		return os_why(err,
			      "an option of the page pool is out of range");
	pool = aligned_alloc(RING_LINE, sizeof(*pool));
	if (!pool)
		return os_why(-ENOMEM, "no %zu bytes for a page pool",
			      sizeof(*pool));
	memset(pool, 0, sizeof(*pool));
	pool->mm = mm;
	pool->options = known;
	pool->in_use = (uint32_t)known.order << POOL_ORDER_SHIFT | 1;
	err = map_words(pool);
	if (err) {
		os_why(err, "no %zu bytes of address space for a page pool",
		       pool->footprint);
		goto free_pool;
	}
	err = ring_init(&pool->ring, known.ring_size);
	if (err) {
		os_why(err, "no memory for a page pool's ring of %u slots",
		       known.ring_size);
		goto unmap_words;
	}
	pool->shrinker.shrink = shrink_pool;
	err = rpcbuf_shrinker_register(mm, &pool->shrinker);
	if (err)
		goto free_ring;
	pool->in_stats.inflight = inflight;
	pool->in_stats.name = pool;
	stats_add_pool(mm, &pool->in_stats);
	*out = pool;
	return 0;

free_ring:
	ring_free(&pool->ring);
unmap_words:
	os_unmap(pool->words, pool->footprint);
free_pool:
	free(pool);
	return err;
}

/* Hands out the last page of the cache. */
static void *pop(struct rpcbuf_page_pool *pool)
{
	void *page = pool->cache[--pool->nr_cached];
	struct os_u32 *word = pool_word(pool, page);

	os_store(pool_refs(pool, page), 1);
	os_store(word, (os_own(word) & POOL_ORDER) | 1);
	return page;
}

/* Stacks pages so that they are handed out in the order of the array. */
static void stack(struct rpcbuf_page_pool *pool, void *const *pages,
		  unsigned int nr)
{
	while (nr)
		pool->cache[pool->nr_cached++] = pages[--nr];
}

static bool refill_from_ring(struct rpcbuf_page_pool *pool)
{
	void *pages[RPCBUF_PAGE_POOL_REFILL];
	unsigned int nr;

	os_lock(&pool->draining);
	nr = ring_pop(&pool->ring, pages, RPCBUF_PAGE_POOL_REFILL);
	os_unlock(&pool->draining);
	stack(pool, pages, nr);
	if (nr)
		stat_add(pool->stats.refill_ring, 1);
	return nr != 0;
}

/* Pages on their way into the pool. */
struct staging {
	struct rpcbuf_page_pool *pool;
	unsigned int nr, nr_dropped;
	void *pages[RPCBUF_PAGE_POOL_REFILL];
	void *dropped[RPCBUF_PAGE_POOL_REFILL];
	uint8_t dropped_orders[RPCBUF_PAGE_POOL_REFILL];
};

/* Maps a page.  One that cannot be mapped is put aside, and given back when the
 * refill is over: given back at once, it might be all that comes.  So is one
 * from beyond what the instance was when the pool was made. */
static void stage(struct staging *staging, void *page, unsigned int order)
{
	struct rpcbuf_page_pool *pool = staging->pool;
	const struct rpcbuf_page_pool_options *options = &pool->options;

	if (arena_index(&pool->mm->arena, page) >= pool->nr_words ||
	    (options->map && options->map(options->opaque, page,
					  RPCBUF_PAGE_SIZE << order) != 0)) {
		staging->dropped[staging->nr_dropped] = page;
		staging->dropped_orders[staging->nr_dropped++] = (uint8_t)order;
		return;
	}
	os_store(pool_refs(pool, page), 0);
	os_store(pool_word(pool, page),
		 (uint32_t)order << POOL_ORDER_SHIFT | POOL_IDLE);
	staging->pages[staging->nr++] = page;
	probe_pool_hold(pool, page, os_own(&pool->stats.hold) + staging->nr);
}

static bool stage_page(void *page, void *staging)
{
	stage(staging, page, 0);
	return true;
}

static void stage_orders(struct staging *staging, rpcbuf_gfp_t gfp)
{
	struct rpcbuf_page_pool *pool = staging->pool;
	unsigned int order = pool->options.order, nr, got, i;
	void *pages[RPCBUF_PAGE_POOL_REFILL] = {NULL};
	uint8_t orders[RPCBUF_PAGE_POOL_REFILL];

	nr = rpcbuf_max(pool->options.refill >> order, 1u);
	got = rpcbuf_alloc_bulk_orders(pool->mm, gfp, order, nr, pages, orders);
	for (i = 0; i < got; i++) {
		if (orders[i] != order)
			stat_add(pool->stats.order_fallback, 1);
		stage(staging, pages[i], orders[i]);
	}
}

static bool refill_from_allocator(struct rpcbuf_page_pool *pool,
				  rpcbuf_gfp_t gfp)
{
	struct staging staging;

	staging.pool = pool;
	staging.nr = staging.nr_dropped = 0;
	if (pool->options.order)
		stage_orders(&staging, gfp);
	else
		rpcbuf_alloc_bulk_callback(pool->mm, gfp, pool->options.refill,
					   stage_page, &staging);
	stack(pool, staging.pages, staging.nr);
	stat_add(pool->stats.hold, staging.nr);
	stat_add(pool->stats.map_failed, staging.nr_dropped);
	stat_add(pool->stats.refill_bulk, 1);
	rpcbuf_free_bulk_orders(pool->mm, staging.nr_dropped, staging.dropped,
				staging.dropped_orders);
	return staging.nr != 0;
}

bool pool_refill(struct rpcbuf_page_pool *pool, rpcbuf_gfp_t gfp)
{
	rpcbuf_assert(!os_load(&pool->destroying));
	if (os_load(&pool->floor))
		pool_empty_cache(pool);
	gfp &= ~(RPCBUF_GFP_ZERO | RPCBUF_GFP_WAIT);
	if (refill_from_ring(pool) || refill_from_allocator(pool, gfp))
		return true;
	stat_add(pool->stats.alloc_failed, 1);
	return false;
}

void *rpcbuf_page_pool_alloc(struct rpcbuf_page_pool *pool, rpcbuf_gfp_t gfp)
{
	if (fork_is_child(pool->mm) ||
	    (rpcbuf_unlikely(!pool_has_cached(pool)) &&
	     !pool_refill(pool, gfp)))
		return NULL;
	stat_add(pool->stats.alloc, 1);
	return pop(pool);
}

unsigned int rpcbuf_page_pool_alloc_bulk(struct rpcbuf_page_pool *pool,
					 rpcbuf_gfp_t gfp, unsigned int nr,
					 void **pages)
{
	bool child = fork_is_child(pool->mm);
	unsigned int i, handed_out = 0;

	for (i = 0; i < nr; i++) {
		if (pages[i])
			continue;
		if (child || (rpcbuf_unlikely(!pool_has_cached(pool)) &&
			      !pool_refill(pool, gfp)))
			break;
		pages[i] = pop(pool);
		handed_out++;
	}
	stat_add(pool->stats.alloc, handed_out);
	return i;
}

int rpcbuf_page_pool_stats(const struct rpcbuf_page_pool *pool,
			   struct rpcbuf_page_pool_stats *stats)
{
	const struct pool_counts *own = &pool->stats;
	const struct rpcbuf_page_pool_stats known = {
		.release = os_load_acquire(&pool->released),
		.hold = os_load(&own->hold),
		.alloc = os_load(&own->alloc),
		.refill_ring = os_load(&own->refill_ring),
		.refill_bulk = os_load(&own->refill_bulk),
		.order_fallback = os_load(&own->order_fallback),
		.alloc_failed = os_load(&own->alloc_failed),
		.map_failed = os_load(&own->map_failed),
		.recycle_cache = os_load(&own->recycle_cache),
		.recycle_ring = os_load(&pool->ring.tail),
		.ring_full = os_load(&pool->ring_full),
		.released_ref = os_load(&pool->released_ref),
		.refused = os_load(&pool->refused),
	};

	return sized_write(stats, &known, sizeof(known));
}
