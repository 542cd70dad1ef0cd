/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Pages that come back to a page pool, or are shared out.
 */
#include <errno.h>

#include <rpcbuf/pool/page_pool.h>

/* Pages that one array of puts gathers before it appends them to the ring. */
#define PUT_BATCH 64u

static void reject_foreign_put(struct rpcbuf_page_pool *pool,
			       const void *address)
{
	if (RPCBUF_DEBUG)
		os_panic("%p is put, but is not in use from this page pool",
			 address);
	os_fetch_add(&pool->refused, 1);
}

/*
 * One user less.  True when it was the last: the page is idle, the caller's to
 * recycle.  Otherwise the pool is not accessed after the exchange.
 */
static bool drop_user(struct rpcbuf_page_pool *pool, void *page)
{
	struct os_u32 *word = pool_word(pool, page);
	/* Acquire: pairs with the exchange of the users before. */
	uint32_t old = os_load_acquire(word), new;

	if (rpcbuf_likely((old & ~POOL_ORDER) == 1)) {
		os_store(word, (old & POOL_ORDER) | POOL_IDLE);
		return true;
	}
	do {
		if (rpcbuf_unlikely(!(old & POOL_USERS))) {
			reject_foreign_put(pool, page);
			return false;
		}
		new = old - 1;
		if (!(new &POOL_USERS))
			new |= POOL_IDLE;
	} while (!os_cas_acq_rel(word, &old, new));
	return new &POOL_IDLE;
}

static void *__attribute__((noinline))
put_begin_slow(struct rpcbuf_page_pool *pool, void *address)
{
	void *page = pool_page_of(pool, address);

	if (rpcbuf_unlikely(!page)) {
		reject_foreign_put(pool, address);
		return NULL;
	}
	if (!drop_user(pool, page))
		return NULL;
	if (rpcbuf_likely(pool_may_recycle(pool, page,
					   os_load(pool_word(pool, page))))) {
		os_store(pool_refs(pool, page), 0);
		return page;
	}
	pool_release(pool, page);
	return NULL;
}

/*
 * The page of @address, when it is idle now and will be recycled.  Most are
 * whole pages of one user that nobody else holds: the same tests as those of
 * drop_user() and pool_may_recycle(), on what they look at.
 */
static inline void *put_begin(struct rpcbuf_page_pool *pool, void *address)
{
	void *page = (void *)((uintptr_t)address & RPCBUF_PAGE_MASK);
	uint64_t index = arena_index(&pool->mm->arena, page);
	struct os_u32 *word;
	struct os_u16 *refs;

	if (rpcbuf_unlikely(index >= pool->nr_words))
		return put_begin_slow(pool, address);
	word = &pool->words[index];
	refs = &pool->mm->refs[index];
	if (rpcbuf_unlikely(os_load_acquire(word) != pool->in_use ||
			    os_load_acquire(refs) != 1 ||
			    os_load(&pool->destroying)))
		return put_begin_slow(pool, address);
	os_store(refs, 0);
	os_store(word, pool->in_use ^ (POOL_IDLE | 1));
	return page;
}

/* Into the ring; what finds no room is released. */
static void recycle(struct rpcbuf_page_pool *pool, void *const *pages,
		    unsigned int nr)
{
	unsigned int done = 0, n;

	/* A push may find less room than there is: others were faster.  After
	 * one that took all, the pool is not accessed. */
	do {
		n = ring_push(&pool->ring, pages + done, nr - done);
		done += n;
	} while (n && done < nr);
	if (rpcbuf_likely(done == nr))
		return;
	os_fetch_add(&pool->ring_full, nr - done);
	for (; done < nr; done++)
		pool_release_idle(pool, pages[done]);
}

void rpcbuf_page_pool_put(struct rpcbuf_page_pool *pool, void *address)
{
	void *page;

	if (!address || fork_is_child(pool->mm))
		return;
	page = put_begin(pool, address);
	if (page)
		recycle(pool, &page, 1);
}

void rpcbuf_page_pool_put_bulk(struct rpcbuf_page_pool *pool, unsigned int nr,
			       void **addresses)
{
	void *pages[PUT_BATCH];
	bool ignore = fork_is_child(pool->mm);
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++) {
		void *address = addresses[i];

		addresses[i] = NULL;
		pages[n] = address && !ignore ? put_begin(pool, address) : NULL;
		n += pages[n] != NULL;
		if (n == PUT_BATCH) {
			recycle(pool, pages, n);
			n = 0;
		}
	}
	if (n)
		recycle(pool, pages, n);
}

/* The cache is full, or to be emptied. */
static void __attribute__((noinline))
put_direct_slow(struct rpcbuf_page_pool *pool, void *page)
{
	if (!os_load(&pool->floor)) {
		recycle(pool, &page, 1);
		return;
	}
	pool_empty_cache(pool);
	pool_release_idle(pool, page);
}

void rpcbuf_page_pool_put_direct(struct rpcbuf_page_pool *pool, void *address)
{
	void *page;

	if (!address || fork_is_child(pool->mm))
		return;
	page = put_begin(pool, address);
	if (!page)
		return;
	if (rpcbuf_unlikely(!pool_has_room(pool))) {
		put_direct_slow(pool, page);
		return;
	}
	pool->cache[pool->nr_cached++] = page;
	stat_add(pool->stats.recycle_cache, 1);
}

/* The page that fragments are cut from has users around the bias. */
static bool too_many_users(uint32_t users)
{
	uint32_t most = POOL_USERS_MAX;

	if (users > POOL_BIAS / 2)
		most += POOL_BIAS;
	return users >= most;
}

int rpcbuf_page_pool_get(struct rpcbuf_page_pool *pool, void *address)
{
	void *page = pool_page_of(pool, address);
	struct os_u32 *word;
	uint32_t old;

	if (fork_is_child(pool->mm))
		return -EPERM;
	if (!page)
		return -EINVAL;
	word = pool_word(pool, page);
	old = os_load(word);
	do {
		if (!(old & POOL_USERS))
			return -EINVAL;
		if (too_many_users(old & POOL_USERS))
			return -EOVERFLOW;
	} while (!os_cas_acq_rel(word, &old, old + 1));
	return 0;
}

size_t rpcbuf_page_pool_page_size(const struct rpcbuf_page_pool *pool,
				  const void *address)
{
	void *page = pool_page_of(pool, address);

	return page ? RPCBUF_PAGE_SIZE << pool_word_order(
			      os_load(pool_word(pool, page)))
		    : 0;
}
