/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The rare side of the per-CPU lock: choosing the protocol, and freezing.
 *
 * Ordering, rseq protocol.  Freezer: closed = 1, membarrier, read held.
 * Holder: test closed, held = 1 (both inside the sequence), work, held = 0.
 * The membarrier is the partner of the missing barrier between the holder's
 * store and its later loads: a sequence that commits before it is seen as
 * held by the freezer; one that begins after it sees closed, and whatever
 * else the freezer wrote before.
 */
#include <rpcbuf/os/cpulock.h>

bool os_cpulock_rseq(void)
{
#ifdef OS_HAVE_RSEQ
	if (__rseq_size == 0 || (int32_t)os_cpu_id(os_rseq_area()) < 0)
		return false;
	return os_membarrier_register() == 0;
#else
	return false;
#endif
}

unsigned int os_cpu(void)
{
#ifdef OS_HAVE_RSEQ
	if (__rseq_size != 0) {
		int32_t cpu = (int32_t)os_cpu_id(os_rseq_area());

		if (cpu >= 0)
			return (unsigned int)cpu;
	}
#endif
	return os_getcpu();
}

bool os_cpulock_unused(struct os_cpulock *lock)
{
	uint32_t free = 0;

	if (os_load(&lock->held) == 2)
		return true;
	os_cas_acquire(&lock->held, &free, 2);
	return false;
}

void os_cpulock_close(struct os_cpulock *lock, bool rseq)
{
	(void)rseq;
	os_store(&lock->closed, 1);
}

void os_cpulock_settle(bool rseq)
{
	if (rseq)
		os_membarrier_rseq();
}

/*
 * The holder was preempted, or is about to finish.  Yielding lets it run,
 * unless its priority is lower than ours: then only sleeping does.
 */
static void wait_a_bit(struct os_cpulock *lock, unsigned int round)
{
	if (round < 64)
		os_yield();
	else
		os_futex_wait(os_word(&lock->held), 1, os_now() + 100000);
}

void os_cpulock_wait(struct os_cpulock *lock, bool rseq)
{
	unsigned int round = 0;

	if (rseq) {
		while (os_load_acquire(&lock->held) & 1)
			wait_a_bit(lock, round++);
		return;
	}
	while (os_exchange_acquire(&lock->held, 1) == 1)
		wait_a_bit(lock, round++);
}

void os_cpulock_open(struct os_cpulock *lock, bool rseq)
{
	if (!rseq)
		os_cpulock_release(lock);
	os_store_release(&lock->closed, 0);
}
