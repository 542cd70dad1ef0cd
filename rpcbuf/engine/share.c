/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Invariant: a client waits only while the share or the client's part is full.
 * So share_leave() starts at most one waiter.
 */
#include "rpcbuf/engine/share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void shares_init(struct shares *shares, unsigned int threads)
{
	memset(shares, 0, sizeof(*shares));
	shares->most = rpcbuf_max(threads / 2, 1u);
	shares->most_client = rpcbuf_max(shares->most / 2, 1u);
}

static void free_chunk(struct share *chunk)
{
	for (unsigned int i = 0; i < SHARE_CHUNK; i++) {
		free(chunk[i].cached);
		pthread_mutex_destroy(&chunk[i].lock);
	}
	free(chunk);
}

void shares_exit(struct shares *shares)
{
	for (unsigned int i = 0; i < SHARE_NUMBERS / SHARE_CHUNK; i++)
		if (shares->chunks[i])
			free_chunk(shares->chunks[i]);
}

static struct share *make_chunk(unsigned int first)
{
	struct share *chunk = calloc(SHARE_CHUNK, sizeof(*chunk));

	for (unsigned int i = 0; chunk && i < SHARE_CHUNK; i++) {
		pthread_mutex_init(&chunk[i].lock, NULL);
		chunk[i].number = first + i;
		for (unsigned int n = 0; n < SHARE_CHAINS; n++) {
			list_init(&chunk[i].by_address[n]);
			list_init(&chunk[i].by_id[n]);
		}
		list_init(&chunk[i].rota);
	}
	return chunk;
}

struct share *share_make(struct shares *shares, unsigned int number)
{
	struct share **slot = &shares->chunks[number / SHARE_CHUNK];
	struct share *none = NULL, *made;

	made = make_chunk(number - number % SHARE_CHUNK);
	if (!made)
		return NULL;
	if (!__atomic_compare_exchange_n(slot, &none, made, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		free_chunk(made);
		made = none;
	}
	return &made[number % SHARE_CHUNK];
}

static struct list_head *address_chain(struct share *share,
				       const uint8_t *address)
{
	uint64_t half[SHARE_ADDRESS / sizeof(uint64_t)], mix;

	memcpy(half, address, sizeof(half));
	mix = (half[0] ^ half[1]) * UINT64_C(0x9e3779b97f4a7c15);
	/* The upper half depends on all bits of the address. */
	return &share->by_address[(mix >> 32) * SHARE_CHAINS >> 32];
}

/* May return the cached entry. */
static struct share_client *find_client(const struct list_head *chain,
					const uint8_t *address)
{
	struct share_client *client, *tmp;

	list_for_each_entry_safe(client, tmp, chain, struct share_client, link)
	{
		if (memcmp(client->address, address, SHARE_ADDRESS) == 0)
			return client;
	}
	return NULL;
}

static struct share_client *make_client(struct share *share,
					struct list_head *chain,
					const uint8_t *address)
{
	struct share_client *client = share->cached;

	if (client)
		list_del(&client->link);
	else
		client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	*client = (struct share_client){.share = share};
	rota_client_init(&client->rota);
	memcpy(client->address, address, SHARE_ADDRESS);
	list_add(&client->link, chain);
	return client;
}

static void mark_progress(struct share_client *client)
{
	client->progressed = true;
	client->hangs = false;
}

static void drop_unused(struct share *share, struct share_client *client)
{
	if (client->running || share_client_waits(client))
		return;
	if (share->cached) {
		list_del(&client->link);
		free(client);
		return;
	}
	mark_progress(client);
	share->cached = client;
}

static void count_running(struct share *share, struct share_client *client)
{
	share->running++;
	client->running++;
}

/* Updates and returns `hangs`.  The first check is made when a call begins to
 * wait. */
static bool update_hang(struct share_client *client, uint64_t now_ns)
{
	if (!share_client_waits(client) || client->progressed) {
		client->progressed = false;
		client->progress_ns = now_ns;
	} else if (now_ns >= client->progress_ns + SHARE_HUNG_NS) {
		client->hangs = true;
	}
	return client->hangs;
}

static struct list_head *id_chain(struct share *share,
				  const struct share_waiter *waiter)
{
	uint32_t mix = waiter->id * UINT32_C(0x9e3779b9);

	return &share->by_id[(uint64_t)mix * SHARE_CHAINS >> 32];
}

/* True when another waiter of the same owner has the same id. */
static bool other_waits(struct share *share, const struct share_waiter *waiter)
{
	struct share_waiter *other, *tmp;

	list_for_each_entry_safe(other, tmp, id_chain(share, waiter),
				 struct share_waiter, id_link)
	{
		if (other != waiter && other->id == waiter->id &&
		    other->owner == waiter->owner)
			return true;
	}
	return false;
}

/* The share is full: 0 when @waiter may queue, else the error. */
static int check_may_queue(struct share *share, struct share_client *client,
			   const struct share_waiter *waiter,
			   enum share_wait wait, uint64_t now_ns)
{
	if (wait == MAY_NOT)
		return -EBUSY;
	if (!update_hang(client, now_ns))
		return 0;
	if (other_waits(share, waiter))
		return -EALREADY;
	return wait == MAY_UNLESS_HUNG ? -EBUSY : 0;
}

static void queue_waiter(struct share *share, struct share_client *client,
			 struct share_waiter *waiter)
{
	waiter->repeated = false;
	rota_join(&share->rota, &client->rota, &waiter->link);
	list_add(&waiter->id_link, id_chain(share, waiter));
	os_store(&share->waiting, share->waiting + 1);
}

static int enter_locked(const struct shares *shares, struct share *share,
			const uint8_t *address, struct share_waiter *waiter,
			enum share_wait wait, uint64_t now_ns)
{
	struct list_head *chain = address_chain(share, address);
	struct share_client *client = find_client(chain, address);
	int ret;

	if (!client)
		client = make_client(share, chain, address);
	if (!client)
		return -ENOMEM;
	if (client == share->cached)
		share->cached = NULL;
	if (rpcbuf_likely(share_has_room(shares, share, client))) {
		count_running(share, client);
		waiter->client = client;
		return 1;
	}
	ret = check_may_queue(share, client, waiter, wait, now_ns);
	if (ret) {
		drop_unused(share, client);
		return ret;
	}
	queue_waiter(share, client, waiter);
	waiter->client = client;
	return 0;
}

int share_enter(struct shares *shares, unsigned int number,
		const uint8_t *address, struct share_waiter *waiter,
		enum share_wait wait, uint64_t now_ns)
{
	struct share *share = share_find(shares, number);
	int ret;

	waiter->client = NULL;
	if (!share)
		return -ENOMEM;
	pthread_mutex_lock(&share->lock);
	ret = enter_locked(shares, share, address, waiter, wait, now_ns);
	pthread_mutex_unlock(&share->lock);
	return ret;
}

/* Starts the first waiter whose client is below its limit. */
static struct share_waiter *serve_next(const struct shares *shares,
				       struct share *share)
{
	struct share_client *client, *tmp;
	struct share_waiter *waiter;

	list_for_each_entry_safe(client, tmp, &share->rota, struct share_client,
				 rota.link)
	{
		if (!share_has_room(shares, share, client))
			continue;
		waiter = list_first_entry(&client->rota.waiting,
					  struct share_waiter, link);
		rota_serve(&share->rota, &client->rota, &waiter->link);
		list_del(&waiter->id_link);
		os_store(&share->waiting, share->waiting - 1);
		count_running(share, client);
		mark_progress(client);
		return waiter;
	}
	return NULL;
}

struct share_waiter *share_leave(const struct shares *shares,
				 struct share_client *client)
{
	struct share *share = client->share;
	struct share_waiter *next = NULL;

	pthread_mutex_lock(&share->lock);
	share->running--;
	client->running--;
	mark_progress(client);
	if (share->waiting)
		next = serve_next(shares, share);
	drop_unused(share, client);
	pthread_mutex_unlock(&share->lock);
	return next;
}

static unsigned int withdraw_locked(struct share *share,
				    struct share_client *client,
				    const void *owner, unsigned int most,
				    bool hung, struct list_head *withdrawn)
{
	struct share_waiter *waiter, *tmp;
	unsigned int nr = 0;

	list_for_each_entry_safe(waiter, tmp, &client->rota.waiting,
				 struct share_waiter, link)
	{
		if (nr == most)
			break;
		if (waiter->owner != owner)
			continue;
		waiter->repeated = hung && other_waits(share, waiter);
		rota_leave(&client->rota, &waiter->link);
		list_del(&waiter->id_link);
		waiter->client = NULL;
		list_add_tail(&waiter->link, withdrawn);
		nr++;
	}
	os_store(&share->waiting, share->waiting - nr);
	drop_unused(share, client);
	return nr;
}

static unsigned int withdraw_from(struct share *share, const uint8_t *address,
				  const void *owner, unsigned int most,
				  bool hung, uint64_t now_ns,
				  struct list_head *withdrawn)
{
	struct share_client *client;
	unsigned int nr = 0;

	pthread_mutex_lock(&share->lock);
	client = find_client(address_chain(share, address), address);
	if (client && share_client_waits(client) &&
	    (!hung || update_hang(client, now_ns)))
		nr = withdraw_locked(share, client, owner, most, hung,
				     withdrawn);
	pthread_mutex_unlock(&share->lock);
	return nr;
}

/* The next share that has waiters, from @number on; or NULL. */
static struct share *next_waited_for(const struct shares *shares,
				     unsigned int number)
{
	for (; number < SHARE_NUMBERS; number++) {
		struct share *chunk =
			os_load_acquire(&shares->chunks[number / SHARE_CHUNK]);

		if (!chunk)
			number |= SHARE_CHUNK - 1;
		else if (os_load(&chunk[number % SHARE_CHUNK].waiting))
			return &chunk[number % SHARE_CHUNK];
	}
	return NULL;
}

unsigned int share_withdraw(struct shares *shares, const uint8_t *address,
			    const void *owner, unsigned int most, bool hung,
			    uint64_t now_ns, struct list_head *withdrawn)
{
	struct share *share = next_waited_for(shares, 0);
	unsigned int nr = 0;

	for (; share; share = next_waited_for(shares, share->number + 1))
		nr += withdraw_from(share, address, owner, most - nr, hung,
				    now_ns, withdrawn);
	return nr;
}

unsigned int share_waiting(const struct shares *shares)
{
	struct share *share = next_waited_for(shares, 0);
	unsigned int nr = 0;

	for (; share; share = next_waited_for(shares, share->number + 1))
		nr += os_load(&share->waiting);
	return nr;
}
