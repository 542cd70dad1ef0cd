/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Checks the invariants of a share.  For debug builds and tests.
 */
#include "rpcbuf/engine/share.h"

struct sum {
	unsigned int running, waiting;
};

static const char *broken_client_rule(const struct shares *shares,
				      const struct share *share,
				      const struct share_client *client,
				      struct sum *sum)
{
	struct list_head *link = client->rota.waiting.next;

	sum->running += client->running;
	for (; link != &client->rota.waiting; link = link->next)
		sum->waiting++;
	if ((!client->running && !share_client_waits(client)) !=
	    (client == share->cached))
		return "an unused entry of a client is not the cached one";
	if (client->running > shares->most_client)
		return "a client runs more calls than it may";
	if (share_client_waits(client) && share_has_room(shares, share, client))
		return "a client waits that has room";
	if (share_client_waits(client) == list_empty(&client->rota.link))
		return "waiting clients and the rota differ";
	return NULL;
}

static const char *broken_rule(const struct shares *shares, struct share *share)
{
	struct share_client *client, *tmp;
	struct sum sum = {0};
	const char *wrong;

	for (unsigned int i = 0; i < SHARE_CHAINS; i++) {
		list_for_each_entry_safe(client, tmp, &share->by_address[i],
					 struct share_client, link)
		{
			wrong = broken_client_rule(shares, share, client, &sum);
			if (wrong)
				return wrong;
		}
	}
	if (sum.running != share->running || sum.waiting != share->waiting)
		return "the sums over the clients differ from the counters";
	return sum.running > shares->most ? "more calls run than may" : NULL;
}

const char *share_is_valid(struct shares *shares, unsigned int number)
{
	struct share *share = share_find(shares, number);
	const char *wrong;

	if (!share)
		return NULL;
	pthread_mutex_lock(&share->lock);
	wrong = broken_rule(shares, share);
	pthread_mutex_unlock(&share->lock);
	return wrong;
}
