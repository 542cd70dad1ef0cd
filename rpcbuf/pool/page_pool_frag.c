/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Fragments: parts of a page with users of their own.  Owner only; they are put
 * by anybody, as pages are.
 */
#include <rpcbuf/pool/page_pool.h>

static void begin_frag_page(struct rpcbuf_page_pool *pool, void *page,
			    unsigned int order)
{
	os_store(pool_word(pool, page),
		 (uint32_t)order << POOL_ORDER_SHIFT | POOL_BIAS);
	pool->frag_page = page;
	pool->frag_bytes = RPCBUF_PAGE_SIZE << order;
	pool->frag_offset = 0;
	pool->frag_users = 0;
}

/*
 * Drops the owner's bias: the users of fragments keep the page.  True when there
 * is none: the page is the owner's again.
 */
static bool drop_bias(struct rpcbuf_page_pool *pool)
{
	uint32_t unused = POOL_BIAS - pool->frag_users;
	struct os_u32 *word = pool_word(pool, pool->frag_page);
	/* Acquire: pairs with the exchanges in drop_user().  Release: the last
	 * of them may recycle what was written here. */
	uint32_t old = os_fetch_add_acq_rel(word, -unused);

	return (old & POOL_USERS) == unused;
}

void pool_end_frag_page(struct rpcbuf_page_pool *pool)
{
	void *page = pool->frag_page;
	struct os_u32 *word;

	if (!page)
		return;
	if (drop_bias(pool)) {
		word = pool_word(pool, page);
		os_store(word, (os_own(word) & POOL_ORDER) | 1);
		pool->frag_page = NULL;
		rpcbuf_page_pool_put_direct(pool, page);
	}
	pool->frag_page = NULL;
}

/* The next page to cut, which may be the present one. */
static bool next_frag_page(struct rpcbuf_page_pool *pool, rpcbuf_gfp_t gfp)
{
	char *page = pool->frag_page;
	uint32_t word;

	if (page && drop_bias(pool)) {
		word = os_load(pool_word(pool, page));
		if (pool_may_recycle(pool, page, word)) {
			begin_frag_page(pool, page, pool_word_order(word));
			return true;
		}
		pool_release(pool, page);
	}
	pool->frag_page = NULL;
	page = rpcbuf_page_pool_alloc(pool, gfp);
	if (!page)
		return false;
	begin_frag_page(pool, page,
			pool_word_order(os_load(pool_word(pool, page))));
	return true;
}

void *rpcbuf_page_pool_alloc_frag(struct rpcbuf_page_pool *pool,
				  rpcbuf_gfp_t gfp, size_t bytes)
{
	char *fragment;

	if (!bytes || bytes > RPCBUF_PAGE_SIZE << pool->options.order ||
	    fork_is_child(pool->mm))
		return NULL;
	bytes = (bytes + RPCBUF_PAGE_POOL_FRAG_ALIGN - 1) &
		~(RPCBUF_PAGE_POOL_FRAG_ALIGN - 1);
	if ((!pool->frag_page ||
	     pool->frag_offset + bytes > pool->frag_bytes) &&
	    !next_frag_page(pool, gfp))
		return NULL;
	/* A single page in place of a larger one. */
	if (rpcbuf_unlikely(bytes > pool->frag_bytes)) {
		pool_end_frag_page(pool);
		return NULL;
	}
	fragment = pool->frag_page + pool->frag_offset;
	pool->frag_offset += bytes;
	pool->frag_users++;
	return fragment;
}
