/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Is all that a share has in order?  For debug builds and tests.
 */
#include "rpcbuf/engine/share.h"

static const char *check(const struct shares *shares, struct share *share)
{
	unsigned int running = 0, waiting = 0;
	struct stake *stake, *tmp;

	list_for_each_entry_safe(stake, tmp, &share->stakes, struct stake, link)
	{
		struct list_head *link = stake->rota.waiting.next;

		running += stake->running;
		for (; link != &stake->rota.waiting; link = link->next)
			waiting++;
		if ((!stake->running && !stake_waits(stake)) !=
		    (stake == share->spare))
			return "what a client has is spare, or nothing is";
		if (stake->running > shares->most_client)
			return "a client has more than it may";
		if (stake_waits(stake) && share_has_room(shares, share, stake))
			return "one waits that has room";
		if (stake_waits(stake) == list_empty(&stake->rota.link))
			return "who waits and the rota differ";
	}
	if (running != share->running || waiting != share->waiting)
		return "its clients have not what is counted";
	return running > shares->most ? "more run than may" : NULL;
}

const char *share_is_valid(struct shares *shares, unsigned int number)
{
	struct share *share = share_find(shares, number);
	const char *wrong;

	if (!share)
		return NULL;
	pthread_mutex_lock(&share->lock);
	wrong = check(shares, share);
	pthread_mutex_unlock(&share->lock);
	return wrong;
}
