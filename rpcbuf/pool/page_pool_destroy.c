/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Emptying a page pool, and its end.
 *
 * From the moment that `destroying` is set, what comes back is released rather
 * than recycled.  A put that did not see it yet ends in the ring, so the ring
 * is drained again and again until nothing is in flight.  The waiter looks at
 * that every few milliseconds: a put would otherwise have to wake it after its
 * last access to the pool.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rpcbuf/os/os.h>
#include <rpcbuf/pool/page_pool.h>

#define PAUSE_MIN_NS UINT64_C(50000)
#define PAUSE_MAX_NS UINT64_C(20000000)

unsigned int rpcbuf_page_pool_shrink(struct rpcbuf_page_pool *pool)
{
	return fork_is_child(pool->mm) ? 0 : pool_drain_ring(pool);
}

unsigned int rpcbuf_page_pool_flush(struct rpcbuf_page_pool *pool)
{
	unsigned int flushed;

	if (fork_is_child(pool->mm))
		return 0;
	pool_end_frag_page(pool);
	flushed = pool_empty_cache(pool);
	return flushed + pool_drain_ring(pool);
}

static void warn(struct rpcbuf_page_pool *pool, uint64_t now)
{
	const struct rpcbuf_page_pool_options *options = &pool->options;
	char sentence[160];

	if (now - pool->warned_at < options->warn_every_ns)
		return;
	pool->warned_at = now;
	if (!options->log)
		return;
	snprintf(sentence, sizeof(sentence),
		 "page pool %p: %llu pages are still in use, %llu s after "
		 "destroy",
		 (void *)pool,
		 (unsigned long long)rpcbuf_page_pool_inflight(pool),
		 (unsigned long long)((now - pool->destroy_since) /
				      OS_SECOND_NS));
	options->log(options->opaque, sentence);
}

/* Nobody wakes this word. */
static void pause_ns(uint64_t now, uint64_t ns)
{
	uint32_t word = 0;

	os_futex_wait(&word, 0, now + ns);
}

static int wait_for_pages(struct rpcbuf_page_pool *pool, uint64_t timeout_ns)
{
	uint64_t start = os_now(), now, pause = PAUSE_MIN_NS, left;

	for (;;) {
		pool_drain_ring(pool);
		if (!rpcbuf_page_pool_inflight(pool))
			return 0;
		now = os_now();
		warn(pool, now);
		if (now - start >= timeout_ns)
			return -ETIMEDOUT;
		left = timeout_ns - (now - start);
		pause_ns(now, rpcbuf_min(pause, left));
		pause = rpcbuf_min(pause * 2, PAUSE_MAX_NS);
	}
}

static void free_pool(struct rpcbuf_page_pool *pool)
{
	ring_free(&pool->ring);
	os_unmap(pool->words, pool->footprint);
	free(pool);
}

int rpcbuf_page_pool_destroy(struct rpcbuf_page_pool *pool, uint64_t timeout_ns)
{
	int err;

	if (!pool)
		return 0;
	if (fork_is_child(pool->mm)) {
		free_pool(pool);
		return 0;
	}
	if (!os_load(&pool->destroying)) {
		rpcbuf_shrinker_unregister(pool->mm, &pool->shrinker);
		os_store(&pool->destroying, true);
		pool->destroy_since = pool->warned_at = os_now();
		rpcbuf_page_pool_flush(pool);
	}
	err = wait_for_pages(pool, timeout_ns);
	if (err)
		return err;
	stats_del_pool(pool->mm, &pool->in_stats);
	free_pool(pool);
	return 0;
}

const char *page_pool_is_valid(struct rpcbuf_page_pool *pool)
{
	uint64_t index, idle = 0, in_use = 0, ringed;
	unsigned int i;

	for (index = 0; index < pool->nr_words; index++) {
		uint32_t word = os_load(&pool->words[index]);

		if (word & POOL_IDLE && word & POOL_USERS)
			return "a page is idle and in use";
		if (word && !(word & (POOL_IDLE | POOL_USERS)))
			return "a page is neither idle nor in use";
		idle += (word & POOL_IDLE) != 0;
		in_use += (word & POOL_USERS) != 0;
	}
	for (i = 0; i < pool->nr_cached; i++)
		if (!(os_load(pool_word(pool, pool->cache[i])) & POOL_IDLE))
			return "a page of the cache is not idle";
	ringed = os_load(&pool->ring.tail) - os_load(&pool->ring.head);
	if (ringed > pool->ring.size)
		return "the ring has more pages than slots";
	if (idle != pool->nr_cached + ringed)
		return "idle pages are neither in the cache nor in the ring";
	if (idle + in_use != rpcbuf_page_pool_inflight(pool))
		return "the pages and hold minus release differ";
	return NULL;
}
