/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Whenever a share has room for another call of some client, none of that
 * client's waits: who leaves makes room for one, and takes along who is next.
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

static void free_block(struct share *block)
{
	for (unsigned int i = 0; i < SHARE_BLOCK; i++) {
		free(block[i].spare);
		pthread_mutex_destroy(&block[i].lock);
	}
	free(block);
}

void shares_exit(struct shares *shares)
{
	for (unsigned int i = 0; i < SHARE_NUMBERS / SHARE_BLOCK; i++)
		if (shares->blocks[i])
			free_block(shares->blocks[i]);
}

static struct share *make_block(unsigned int first)
{
	struct share *block = calloc(SHARE_BLOCK, sizeof(*block));

	for (unsigned int i = 0; block && i < SHARE_BLOCK; i++) {
		pthread_mutex_init(&block[i].lock, NULL);
		block[i].number = first + i;
		for (unsigned int n = 0; n < SHARE_CHAINS; n++) {
			list_init(&block[i].chains[n]);
			list_init(&block[i].names[n]);
		}
		list_init(&block[i].rota);
	}
	return block;
}

struct share *share_make(struct shares *shares, unsigned int number)
{
	struct share **slot = &shares->blocks[number / SHARE_BLOCK];
	struct share *none = NULL, *made;

	made = make_block(number - number % SHARE_BLOCK);
	if (!made)
		return NULL;
	if (!__atomic_compare_exchange_n(slot, &none, made, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		free_block(made);
		made = none;
	}
	return &made[number % SHARE_BLOCK];
}

static struct list_head *chain_of(struct share *share, const uint8_t *client)
{
	uint64_t half[SHARE_CLIENT / sizeof(uint64_t)], mix;

	memcpy(half, client, sizeof(half));
	mix = (half[0] ^ half[1]) * UINT64_C(0x9e3779b97f4a7c15);
	/* All bits of a name count in the topmost. */
	return &share->chains[(mix >> 32) * SHARE_CHAINS >> 32];
}

/* It may be the spare one. */
static struct stake *find_stake(const struct list_head *chain,
				const uint8_t *client)
{
	struct stake *stake, *tmp;

	list_for_each_entry_safe(stake, tmp, chain, struct stake, link)
	{
		if (memcmp(stake->client, client, SHARE_CLIENT) == 0)
			return stake;
	}
	return NULL;
}

static struct stake *make_stake(struct share *share, struct list_head *chain,
				const uint8_t *client)
{
	struct stake *stake = share->spare;

	if (stake)
		list_del(&stake->link);
	else
		stake = calloc(1, sizeof(*stake));
	if (!stake)
		return NULL;
	*stake = (struct stake){.share = share};
	rota_client_init(&stake->rota);
	memcpy(stake->client, client, SHARE_CLIENT);
	list_add(&stake->link, chain);
	return stake;
}

static void moved(struct stake *stake)
{
	stake->moved = true;
	stake->hangs = false;
}

static void drop_unused(struct share *share, struct stake *stake)
{
	if (stake->running || stake_waits(stake))
		return;
	if (share->spare) {
		list_del(&stake->link);
		free(stake);
		return;
	}
	moved(stake);
	share->spare = stake;
}

static void run(struct share *share, struct stake *stake)
{
	share->running++;
	stake->running++;
}

/* Does it hang?  Whoever begins to wait is the first to look. */
static bool look(struct stake *stake, uint64_t now_ns)
{
	if (!stake_waits(stake) || stake->moved) {
		stake->moved = false;
		stake->look_ns = now_ns;
	} else if (now_ns >= stake->look_ns + SHARE_HUNG_NS) {
		stake->hangs = true;
	}
	return stake->hangs;
}

static struct list_head *names_of(struct share *share,
				  const struct ticket *ticket)
{
	uint32_t mix = ticket->name * UINT32_C(0x9e3779b9);

	return &share->names[(uint64_t)mix * SHARE_CHAINS >> 32];
}

/* Does another one wait that has the same name? */
static bool other_waits(struct share *share, const struct ticket *ticket)
{
	struct ticket *other, *tmp;

	list_for_each_entry_safe(other, tmp, names_of(share, ticket),
				 struct ticket, name_link)
	{
		if (other != ticket && other->name == ticket->name &&
		    other->owner == ticket->owner)
			return true;
	}
	return false;
}

/* There is no room for @ticket: 0, or why it does not wait. */
static int refuse(struct share *share, struct stake *stake,
		  const struct ticket *ticket, enum share_wait wait,
		  uint64_t now_ns)
{
	if (wait == MAY_NOT)
		return -EBUSY;
	if (!look(stake, now_ns))
		return 0;
	if (other_waits(share, ticket))
		return -EALREADY;
	return wait == MAY_UNLESS_HUNG ? -EBUSY : 0;
}

static void wait_for(struct share *share, struct stake *stake,
		     struct ticket *ticket)
{
	ticket->repeated = false;
	rota_join(&share->rota, &stake->rota, &ticket->link);
	list_add(&ticket->name_link, names_of(share, ticket));
	os_store(&share->waiting, share->waiting + 1);
}

static int enter(const struct shares *shares, struct share *share,
		 const uint8_t *client, struct ticket *ticket,
		 enum share_wait wait, uint64_t now_ns)
{
	struct list_head *chain = chain_of(share, client);
	struct stake *stake = find_stake(chain, client);
	int ret;

	if (!stake)
		stake = make_stake(share, chain, client);
	if (!stake)
		return -ENOMEM;
	if (stake == share->spare)
		share->spare = NULL;
	if (rpcbuf_likely(share_has_room(shares, share, stake))) {
		run(share, stake);
		ticket->stake = stake;
		return 1;
	}
	ret = refuse(share, stake, ticket, wait, now_ns);
	if (ret) {
		drop_unused(share, stake);
		return ret;
	}
	wait_for(share, stake, ticket);
	ticket->stake = stake;
	return 0;
}

int share_enter(struct shares *shares, unsigned int number,
		const uint8_t *client, struct ticket *ticket,
		enum share_wait wait, uint64_t now_ns)
{
	struct share *share = share_find(shares, number);
	int ret;

	ticket->stake = NULL;
	if (!share)
		return -ENOMEM;
	pthread_mutex_lock(&share->lock);
	ret = enter(shares, share, client, ticket, wait, now_ns);
	pthread_mutex_unlock(&share->lock);
	return ret;
}

/* The first one whose client may have another. */
static struct ticket *serve_next(const struct shares *shares,
				 struct share *share)
{
	struct stake *stake, *tmp;
	struct ticket *ticket;

	list_for_each_entry_safe(stake, tmp, &share->rota, struct stake,
				 rota.link)
	{
		if (!share_has_room(shares, share, stake))
			continue;
		ticket = list_first_entry(&stake->rota.waiting, struct ticket,
					  link);
		rota_serve(&share->rota, &stake->rota, &ticket->link);
		list_del(&ticket->name_link);
		os_store(&share->waiting, share->waiting - 1);
		run(share, stake);
		moved(stake);
		return ticket;
	}
	return NULL;
}

struct ticket *share_leave(const struct shares *shares, struct stake *stake)
{
	struct share *share = stake->share;
	struct ticket *next = NULL;

	pthread_mutex_lock(&share->lock);
	share->running--;
	stake->running--;
	moved(stake);
	if (share->waiting)
		next = serve_next(shares, share);
	drop_unused(share, stake);
	pthread_mutex_unlock(&share->lock);
	return next;
}

static unsigned int take(struct share *share, struct stake *stake,
			 const void *owner, unsigned int most, bool hung,
			 struct list_head *taken)
{
	struct ticket *ticket, *tmp;
	unsigned int nr = 0;

	list_for_each_entry_safe(ticket, tmp, &stake->rota.waiting,
				 struct ticket, link)
	{
		if (nr == most)
			break;
		if (ticket->owner != owner)
			continue;
		ticket->repeated = hung && other_waits(share, ticket);
		rota_leave(&stake->rota, &ticket->link);
		list_del(&ticket->name_link);
		ticket->stake = NULL;
		list_add_tail(&ticket->link, taken);
		nr++;
	}
	os_store(&share->waiting, share->waiting - nr);
	drop_unused(share, stake);
	return nr;
}

static unsigned int take_of(struct share *share, const uint8_t *client,
			    const void *owner, unsigned int most, bool hung,
			    uint64_t now_ns, struct list_head *taken)
{
	struct stake *stake;
	unsigned int nr = 0;

	pthread_mutex_lock(&share->lock);
	stake = find_stake(chain_of(share, client), client);
	if (stake && stake_waits(stake) && (!hung || look(stake, now_ns)))
		nr = take(share, stake, owner, most, hung, taken);
	pthread_mutex_unlock(&share->lock);
	return nr;
}

/* The next one that somebody waits in, from @number on, or NULL. */
static struct share *next_waited_for(const struct shares *shares,
				     unsigned int number)
{
	for (; number < SHARE_NUMBERS; number++) {
		struct share *block =
			os_load_acquire(&shares->blocks[number / SHARE_BLOCK]);

		if (!block)
			number |= SHARE_BLOCK - 1;
		else if (os_load(&block[number % SHARE_BLOCK].waiting))
			return &block[number % SHARE_BLOCK];
	}
	return NULL;
}

unsigned int share_take(struct shares *shares, const uint8_t *client,
			const void *owner, unsigned int most, bool hung,
			uint64_t now_ns, struct list_head *taken)
{
	struct share *share = next_waited_for(shares, 0);
	unsigned int nr = 0;

	for (; share; share = next_waited_for(shares, share->number + 1))
		nr += take_of(share, client, owner, most - nr, hung, now_ns,
			      taken);
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
