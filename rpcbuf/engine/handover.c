/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/handover.h"

#include "rpcbuf/engine/engine_private.h"

static void wake_monitor(struct monitor *monitor)
{
	pthread_mutex_lock(&monitor->lock);
	__atomic_store_n(&monitor->asleep, 0, __ATOMIC_SEQ_CST);
	pthread_cond_signal(&monitor->wake);
	pthread_mutex_unlock(&monitor->lock);
}

uint32_t handover_begin(struct loop *loop)
{
	struct monitor *monitor = &loop->engine->monitor;
	uint32_t sequence = os_load(&loop->handover.sequence) + 1;

	/* Pairs with the monitor's last scan before it sleeps: either it sees
	 * the sequence, or we see that it sleeps. */
	__atomic_exchange_n(&loop->handover.sequence, sequence,
			    __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&monitor->asleep, __ATOMIC_SEQ_CST))
		wake_monitor(monitor);
	return sequence;
}

/* Pairs with handover_take(): only one of them succeeds. */
bool handover_end(struct loop *loop, uint32_t sequence)
{
	return os_cas_acq_rel(&loop->handover.sequence, &sequence,
			      sequence + 1);
}

bool handover_take(struct loop *loop, uint32_t sequence)
{
	return os_cas_acq_rel(&loop->handover.sequence, &sequence,
			      sequence + 1);
}
