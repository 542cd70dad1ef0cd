/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/handover.h"

#include "rpcbuf/engine/engine_private.h"

static void rouse(struct watcher *watcher)
{
	pthread_mutex_lock(&watcher->lock);
	__atomic_store_n(&watcher->asleep, 0, __ATOMIC_SEQ_CST);
	pthread_cond_signal(&watcher->wake);
	pthread_mutex_unlock(&watcher->lock);
}

uint32_t handover_begin(struct loop *loop)
{
	struct watcher *watcher = &loop->engine->watcher;
	uint32_t turn = os_load(&loop->handover.turn) + 1;

	/* Pairs with the watcher's last look before it sleeps: either it sees
	 * the turn, or we see that it sleeps. */
	__atomic_exchange_n(&loop->handover.turn, turn, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&watcher->asleep, __ATOMIC_SEQ_CST))
		rouse(watcher);
	return turn;
}

/* This and the next are a pair: one of the two gets the loop. */
bool handover_end(struct loop *loop, uint32_t turn)
{
	return os_cas_acq_rel(&loop->handover.turn, &turn, turn + 1);
}

bool handover_take(struct loop *loop, uint32_t turn)
{
	return os_cas_acq_rel(&loop->handover.turn, &turn, turn + 1);
}
