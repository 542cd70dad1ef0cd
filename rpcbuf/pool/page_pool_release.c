/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How pages leave a page pool.
 */
#include <errno.h>

#include <rpcbuf/os/probes.h>
#include <rpcbuf/pool/page_pool.h>

bool pool_may_recycle(struct rpcbuf_page_pool *pool, const void *page,
		      uint32_t word)
{
	/* Acquire: what holders did before they dropped their reference. */
	if (os_load_acquire(pool_refs(pool, page)) != 1) {
		os_fetch_add(&pool->released_ref, 1);
		return false;
	}
	return pool_word_order(word) == pool->options.order &&
	       !os_load(&pool->destroying);
}

static void unmap(struct rpcbuf_page_pool *pool, void *page, unsigned int order)
{
	const struct rpcbuf_page_pool_options *options = &pool->options;

	if (options->unmap)
		options->unmap(options->opaque, page,
			       RPCBUF_PAGE_SIZE << order);
}

/* Release: the destroyer sees all that was done here. */
static void count_release(struct rpcbuf_page_pool *pool, const void *page)
{
	uint64_t nr = os_fetch_add_release(&pool->released, 1) + 1;

	probe_pool_release(pool, page, nr);
}

void pool_release(struct rpcbuf_page_pool *pool, void *page)
{
	struct os_u32 *word = pool_word(pool, page);
	unsigned int order = pool_word_order(os_load(word));

	unmap(pool, page, order);
	os_store(word, 0);
	rpcbuf_free_pages(pool->mm, page, order);
	count_release(pool, page);
}

void pool_release_idle(struct rpcbuf_page_pool *pool, void *page)
{
	os_store(pool_refs(pool, page), 1);
	pool_release(pool, page);
}

unsigned int pool_drain_ring(struct rpcbuf_page_pool *pool)
{
	void *pages[RPCBUF_PAGE_POOL_REFILL];
	unsigned int drained = 0, nr, i;

	do {
		os_lock(&pool->draining);
		nr = ring_pop(&pool->ring, pages, RPCBUF_PAGE_POOL_REFILL);
		os_unlock(&pool->draining);
		for (i = 0; i < nr; i++)
			pool_release_idle(pool, pages[i]);
		drained += nr;
	} while (nr);
	return drained;
}

unsigned int pool_empty_cache(struct rpcbuf_page_pool *pool)
{
	unsigned int nr = pool->nr_cached;

	os_store(&pool->floor, 0);
	while (pool->nr_cached)
		pool_release_idle(pool, pool->cache[--pool->nr_cached]);
	return nr;
}

uint64_t rpcbuf_page_pool_inflight(const struct rpcbuf_page_pool *pool)
{
	/* Release first: a page counted there was counted in hold before. */
	uint64_t released = os_load_acquire(&pool->released);

	return os_load(&pool->stats.hold) - released;
}

int rpcbuf_page_pool_leave(struct rpcbuf_page_pool *pool, void *page)
{
	struct os_u32 *word;
	uint32_t old;

	if (fork_is_child(pool->mm))
		return -EPERM;
	if (pool_page_of(pool, page) != page)
		return -EINVAL;
	word = pool_word(pool, page);
	old = os_load_acquire(word);
	if (!(old & POOL_USERS))
		return -EINVAL;
	if ((old & POOL_USERS) != 1)
		return -EBUSY;
	unmap(pool, page, pool_word_order(old));
	os_store(word, 0);
	count_release(pool, page);
	return 0;
}
