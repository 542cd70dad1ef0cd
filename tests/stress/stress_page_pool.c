/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a page pool neither loses a page nor gives it to two users, maps and
 * unmaps each alternately, and ends exactly when all are back, while other
 * threads return pages, share them, keep them and reclaim memory.
 * Method: an owner gives pages and fragments, stamped with their address and a
 * serial number, to users, which check the stamp before they put.  Pools are
 * destroyed with pages out, over and over.  In the end every page of the
 * instance must be free and unmapped.
 */
#include "stress_util.h"

#include <rpcbuf/budget.h>
#include <rpcbuf/pool/page_pool.h>

#define NR_PAGES 4096u
#define USERS	 3
#define MAIL	 512u

static struct rpcbuf *mm;
static struct rpcbuf_page_pool *pool;
static struct os_bool ended;
static uint64_t deadline, handed_out, pools, ring_full;
static struct os_u64 left;
static struct os_u32 mapped[NR_PAGES];

/* To each user, in batches. */
static struct mailbox {
	pthread_mutex_t lock;
	unsigned int nr;
	bool closed;
	struct letter {
		struct rpcbuf_page_pool *pool;
		uint64_t *address;
		uint64_t stamp;
		bool whole; /* a page, not a fragment */
	} letters[MAIL];
} mailboxes[USERS];

static struct os_u32 *mapped_word(const void *page)
{
	return &mapped[arena_index(&mm->arena, page)];
}

static int map(void *opaque, void *page, size_t bytes)
{
	uint64_t *seed = opaque;

	(void)bytes;
	if (test_below(seed, 16) == 0)
		return -1;
	require(os_fetch_add(mapped_word(page), 1) == 0);
	return 0;
}

static void unmap(void *opaque, void *page, size_t bytes)
{
	(void)opaque;
	(void)bytes;
	require(os_fetch_add(mapped_word(page), -1u) == 1);
}

/* False when the box is full. */
static bool post(struct mailbox *box, struct letter letter)
{
	bool room;

	pthread_mutex_lock(&box->lock);
	room = box->nr < MAIL;
	if (room)
		box->letters[box->nr++] = letter;
	pthread_mutex_unlock(&box->lock);
	return room;
}

static unsigned int fetch(struct mailbox *box, struct letter *letters,
			  bool *closed)
{
	unsigned int nr;

	pthread_mutex_lock(&box->lock);
	nr = box->nr;
	memcpy(letters, box->letters, nr * sizeof(*letters));
	box->nr = 0;
	*closed = box->closed;
	pthread_mutex_unlock(&box->lock);
	return nr;
}

static void read_letter(const struct letter *letter, uint64_t *seed)
{
	struct rpcbuf_page_pool *from = letter->pool;
	uint64_t *address = letter->address;

	require(*address == letter->stamp);
	require(os_load(mapped_word(
			(void *)((uintptr_t)address & RPCBUF_PAGE_MASK))) == 1);
	switch (test_below(seed, 16)) {
	case 0:
		if (letter->whole) {
			require(rpcbuf_page_pool_leave(from, address) == 0);
			os_fetch_add(&left, 1);
			rpcbuf_free_page(mm, address);
			return;
		}
		break;
	case 1:
		require(rpcbuf_page_pool_get(from, address) == 0);
		rpcbuf_page_pool_put(from, address);
		require(*address == letter->stamp);
		break;
	case 2:
		if (letter->whole) {
			/* The page outlives its time in the pool. */
			require(rpcbuf_page_get(mm, address) == 0);
			rpcbuf_page_pool_put(from, address);
			require(*address == letter->stamp);
			rpcbuf_free_page(mm, address);
			return;
		}
		break;
	}
	rpcbuf_page_pool_put(from, address);
}

static void *user(void *arg)
{
	struct mailbox *box = arg;
	uint64_t seed = (uintptr_t)arg | 1;
	struct letter letters[MAIL];
	unsigned int nr, i;
	bool closed;

	do {
		nr = fetch(box, letters, &closed);
		for (i = 0; i < nr; i++)
			read_letter(&letters[i], &seed);
		if (!nr)
			sched_yield();
		if (test_below(&seed, 1000) == 0)
			wander(&seed);
	} while (nr || !closed);
	return NULL;
}

/* Empties rings from outside, also of pools that come and go. */
static void *reclaimer(void *unused)
{
	while (!os_load(&ended)) {
		rpcbuf_reclaim(mm, UINT64_MAX);
		usleep(500);
	}
	return unused;
}

/* Gives a page or a fragment to a user, or puts it at once. */
static void hand_out(uint64_t *seed)
{
	struct letter letter = {.pool = pool, .stamp = ++handed_out};

	letter.whole = test_below(seed, 3) != 0;
	if (letter.whole)
		letter.address = rpcbuf_page_pool_alloc(pool, 0);
	else
		letter.address = rpcbuf_page_pool_alloc_frag(
			pool, 0, 8 + test_below(seed, RPCBUF_PAGE_SIZE - 8));
	if (!letter.address)
		return;
	*letter.address = letter.stamp;
	if (test_below(seed, 4) == 0)
		rpcbuf_page_pool_put_direct(pool, letter.address);
	else if (!post(&mailboxes[test_below(seed, USERS)], letter))
		rpcbuf_page_pool_put(pool, letter.address);
}

static void one_pool(uint64_t *seed, uint64_t *map_seed)
{
	struct rpcbuf_page_pool_options options = RPCBUF_PAGE_POOL_OPTIONS_INIT;
	struct rpcbuf_page_pool_stats stats = RPCBUF_PAGE_POOL_STATS_INIT;
	unsigned int i, rounds = test_below(seed, 20000);

	options.map = map;
	options.unmap = unmap;
	options.opaque = map_seed;
	options.ring_size = 64u << test_below(seed, 5);
	options.refill = 1 + test_below(seed, RPCBUF_PAGE_POOL_REFILL);
	require(rpcbuf_page_pool_create(&pool, mm, &options) == 0);
	for (i = 0; i < rounds; i++) {
		hand_out(seed);
		if (test_below(seed, 2000) == 0)
			rpcbuf_page_pool_shrink(pool);
		if (test_below(seed, 5000) == 0)
			rpcbuf_page_pool_flush(pool);
	}
	rpcbuf_page_pool_stats(pool, &stats);
	ring_full += stats.ring_full;
	require(stats.refused == 0);
	require(rpcbuf_page_pool_destroy(pool, UINT64_MAX) == 0);
	pools++;
}

static void run(uint64_t seed, uint64_t until)
{
	pthread_t threads[USERS], reclaiming;
	uint64_t map_seed = seed;
	unsigned int i;

	deadline = until;
	mm = test_create(NR_PAGES);
	for (i = 0; i < USERS; i++) {
		pthread_mutex_init(&mailboxes[i].lock, NULL);
		require(pthread_create(&threads[i], NULL, user,
				       &mailboxes[i]) == 0);
	}
	require(pthread_create(&reclaiming, NULL, reclaimer, NULL) == 0);
	while (os_now() < deadline)
		one_pool(&seed, &map_seed);
	os_store(&ended, true);
	pthread_join(reclaiming, NULL);
	for (i = 0; i < USERS; i++) {
		pthread_mutex_lock(&mailboxes[i].lock);
		mailboxes[i].closed = true;
		pthread_mutex_unlock(&mailboxes[i].lock);
		pthread_join(threads[i], NULL);
	}
	for (i = 0; i < NR_PAGES; i++)
		require(os_load(&mapped[i]) == 0);
	test_destroy(mm);
	printf("%llu pages and fragments from %llu pools, %llu found the ring "
	       "full, %llu left\n",
	       (unsigned long long)handed_out, (unsigned long long)pools,
	       (unsigned long long)ring_full,
	       (unsigned long long)os_load(&left));
	require(pools > 1 && os_load(&left) > 0);
}

int main(int argc, char **argv)
{
	(void)argc;
	return stress_main(argv, 3, run);
}
