/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A lock per CPU that a thread only ever tries to take, for the CPU that it
 * runs on, and that any thread may freeze from afar.
 *
 * Two protocols, chosen once per instance:
 *
 * - rseq: the holder takes the lock with a restartable sequence: the kernel
 *   guarantees that between the test and the store nobody else ran on this
 *   CPU, so a plain store does what a locked exchange does elsewhere, for a
 *   third of the price.  A freezer closes the lock, issues membarrier(2), which
 *   restarts sequences under way and is the full barrier that the holder
 *   does not pay, and waits for the present holder to finish.
 * - atomic: an exchange, by holder and freezer alike.  For kernels, sandboxes,
 *   architectures and sanitizers without the above.
 *
 * A thread may be preempted or migrated while it holds the lock.  Others on that
 * CPU then fail to take it, and go another way.
 * A holder does a bounded amount of work and takes no other lock.
 */
#ifndef RPCBUF_OS_CPULOCK_H
#define RPCBUF_OS_CPULOCK_H

#include <rpcbuf/os/assert.h>
#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/bits.h>
#include <rpcbuf/os/os.h>

#if defined(__SANITIZE_THREAD__)
#define OS_HIDES_ASM 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OS_HIDES_ASM 1
#endif
#endif

/* The thread sanitizer does not see what assembly synchronizes. */
#if defined(__x86_64__) && !defined(OS_HIDES_ASM) && defined(__has_include)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define OS_HAVE_RSEQ 1
#endif
#endif

struct os_cpulock {
	struct os_u32 held;   /* 1: held, 2: free and not taken since marked */
	struct os_u32 closed; /* a freezer has it or is about to */
};

/* True when the rseq protocol works in this process; registers membarrier. */
bool os_cpulock_rseq(void);

/*
 * Freezing: close every lock, os_cpulock_settle() once, then wait for each;
 * from then on the caller owns what the lock protects, until it opens it.
 * One thread at a time may freeze (the callers hold a lock of their own).
 */
void os_cpulock_close(struct os_cpulock *lock, bool rseq);
void os_cpulock_settle(bool rseq);
void os_cpulock_wait(struct os_cpulock *lock, bool rseq);
void os_cpulock_open(struct os_cpulock *lock, bool rseq);

/* True when the lock is held or frozen, for assertions. */
static inline bool os_cpulock_is_taken(const struct os_cpulock *lock)
{
	return (os_load(&lock->held) & 1) || os_load(&lock->closed);
}

/*
 * What such a lock guards.  As a plain field it does not compile: only
 * os_held() opens it, and debug builds check there that the lock is held or
 * frozen.
 */
#define OS_HELD(type)            \
	struct {                 \
		type os_private; \
	}

#define os_held(lock, field)                                    \
	({                                                      \
		rpcbuf_assert_debug(os_cpulock_is_taken(lock)); \
		&(field)->os_private;                           \
	})

/* True when the lock was not taken since the last call; for one caller at a
 * time.  A release wipes the mark at no cost. */
bool os_cpulock_unused(struct os_cpulock *lock);

#define os_cpulock_is_held(lock) ((os_load(&(lock)->held) & 1) != 0)

static inline void os_cpulock_release(struct os_cpulock *lock)
{
	os_store_release(&lock->held, 0);
}

static inline bool os_cpulock_try_atomic(struct os_cpulock *lock)
{
	if (os_cpulock_is_held(lock) || os_load(&lock->closed))
		return false;
	return os_exchange_acquire(&lock->held, 1) != 1;
}

#ifdef OS_HAVE_RSEQ

#define OS_STRING_(x) #x
#define OS_STRING(x)  OS_STRING_(x)

static inline struct rseq *os_rseq_area(void)
{
	char *self;

	__asm__("movq %%fs:0, %0" : "=r"(self));
	return (struct rseq *)(void *)(self + __rseq_offset);
}

/* The kernel's struct, the fields of which are not ours to declare. */
static inline void os_cpulock_sequence_ended(struct rseq *area)
{
	__atomic_store_n((uint64_t *)(void *)&area->rseq_cs, 0,
			 __ATOMIC_RELAXED);
}

static inline uint32_t os_cpu_id(const struct rseq *area)
{
	return __atomic_load_n(&area->cpu_id, __ATOMIC_RELAXED);
}

/*
 * True when the caller ran on @cpu all the while and has @lock now.  The last
 * instruction is the commit.  rseq_cs is reset afterwards so that the kernel
 * never follows it into an unloaded library.
 */
static inline bool os_cpulock_try_rseq(struct rseq *area, uint32_t cpu,
				       struct os_cpulock *lock)
{
	__asm__ goto("	.pushsection __rseq_cs, \"aw\"\n"
		     "	.balign 32\n"
		     "3:	.long 0, 0\n"
		     "	.quad 1f, 2f - 1f, 4f\n"
		     "	.popsection\n"
		     "	leaq 3b(%%rip), %%rax\n"
		     "	movq %%rax, %[cs]\n"
		     "1:	cmpl %[cpu], %[now]\n"
		     "	jne %l[fail]\n"
		     "	testb $1, %[held]\n"
		     "	jne %l[fail]\n"
		     "	cmpl $0, %[closed]\n"
		     "	jne %l[fail]\n"
		     "	movl $1, %[held]\n"
		     "2:\n"
		     "	.pushsection __rseq_failure, \"ax\"\n"
		     "	.byte 0x0f, 0xb9, 0x3d\n"
		     "	.long " OS_STRING(RSEQ_SIG) "\n"
						    "4:	jmp %l[fail]\n"
						    "	.popsection\n"
		     :
		     : [cs] "m"(area->rseq_cs), [now] "m"(area->cpu_id),
		       [held] "m"(*os_word(&lock->held)),
		       [closed] "m"(*os_word(&lock->closed)), [cpu] "r"(cpu)
		     : "rax", "memory", "cc"
		     : fail);
	os_cpulock_sequence_ended(area);
	return true;
fail:
	os_cpulock_sequence_ended(area);
	return false;
}

/* The CPU, or a number that os_cpulock_try_rseq() will refuse. */
static inline unsigned int os_cpu_rseq(const struct rseq *area)
{
	return __atomic_load_n(&area->cpu_id_start, __ATOMIC_RELAXED);
}

#endif /* OS_HAVE_RSEQ */

/* The CPU for the atomic protocol: a hint, right most of the time. */
unsigned int os_cpu(void);

#endif /* RPCBUF_OS_CPULOCK_H */
