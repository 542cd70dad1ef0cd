/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Is all that a share has in order?  For debug builds and tests.
 */
#include "rpcbuf/engine/share.h"

struct sum {
	unsigned int running, waiting;
};

static const char *check_stake(const struct shares *shares,
			       const struct share *share,
			       const struct stake *stake, struct sum *sum)
{
	struct list_head *link = stake->rota.waiting.next;

	sum->running += stake->running;
	for (; link != &stake->rota.waiting; link = link->next)
		sum->waiting++;
	if ((!stake->running && !stake_waits(stake)) != (stake == share->spare))
		return "what a client has is spare, or nothing is";
	if (stake->running > shares->most_client)
		return "a client has more than it may";
	if (stake_waits(stake) && share_has_room(shares, share, stake))
		return "one waits that has room";
	if (stake_waits(stake) == list_empty(&stake->rota.link))
		return "who waits and the rota differ";
	return NULL;
}

static const char *check(const struct shares *shares, struct share *share)
{
	struct stake *stake, *tmp;
	struct sum sum = {0};
	const char *wrong;

	for (unsigned int i = 0; i < SHARE_CHAINS; i++) {
		list_for_each_entry_safe(stake, tmp, &share->chains[i],
					 struct stake, link)
		{
			wrong = check_stake(shares, share, stake, &sum);
			if (wrong)
				return wrong;
		}
	}
	if (sum.running != share->running || sum.waiting != share->waiting)
		return "its clients have not what is counted";
	return sum.running > shares->most ? "more run than may" : NULL;
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
