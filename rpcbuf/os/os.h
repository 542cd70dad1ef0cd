/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The operating system: the only callers of mmap, madvise, futex, membarrier
 * and getcpu are behind these functions.
 *
 * All return 0 or -errno unless they say otherwise, keep no state but the
 * process-wide registration of membarrier, and may be called by any thread.
 * Lengths and addresses are multiples of the page size.
 */
#ifndef RPCBUF_OS_OS_H
#define RPCBUF_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpcbuf/os/clock.h"

#define OS_HUGE_SIZE ((size_t)2 << 20)

/*
 * Reserves zeroed, private memory that is committed on use.  @align: a power
 * of two, at least a page.  Stores the address in *@address.
 */
int os_map(void **address, size_t length, size_t align);
void os_unmap(void *address, size_t length);

/* Asks for (or against) transparent hugepages; a kernel without them is no
 * error. */
void os_advise_huge(void *address, size_t length, bool huge);

/*
 * Gives the memory of a range back to the system: it reads as zeroes then, and
 * is committed again on use.  @shared: it is of a file in memory (os/memfd.h).
 * -errno where that cannot be, locked memory for one; the contents are kept
 * then.
 */
int os_discard(void *address, size_t length, bool shared);

/*
 * Sleeps while *@word is @value, until os_futex_wake() or until @deadline on
 * os_now()'s clock.  0: woken, or *@word differed; -ETIMEDOUT; -EINTR.  May
 * return 0 for no reason.
 */
#define OS_FOREVER UINT64_MAX
int os_futex_wait(uint32_t *word, uint32_t value, uint64_t deadline);
void os_futex_wake(uint32_t *word, int sleepers);

/* Adds one to an eventfd.  A full counter is no error: it is readable. */
void os_eventfd_signal(int fd);

/* CPU numbers are below this; it does not change while the program runs.  How many
 * may be used at a time is another question: os_cpus_usable(). */
unsigned int os_cpu_count(void);

/* True on x86 with 256-bit integer vectors. */
bool os_cpu_has_avx2(void);

/* The CPU that the caller ran on a moment ago, by asking the kernel. */
unsigned int os_getcpu(void);

/*
 * Makes os_membarrier_rseq() available.  -ENOSYS or -EPERM where the kernel
 * or a sandbox has none.
 */
int os_membarrier_register(void);

/*
 * On return every thread of the process has executed a full memory barrier,
 * and every rseq critical section that was under way has been restarted.
 */
void os_membarrier_rseq(void);

/* The calling thread, as os_thread_sleeps() names it. */
int os_thread_id(void);

/*
 * True while thread @id of this process waits for something: an answer, a
 * lock, a disk.  False while it runs or would run if it were given a CPU.  Asks
 * the kernel, some microseconds; true when the kernel does not tell.
 */
bool os_thread_sleeps(int id);

/* Reads the beginning of the file @path, such as one of /proc, as a string of at
 * most @size - 1 bytes.  Its length, or -errno. */
long os_read_text(const char *path, char *text, size_t size);

/* Has these called around every fork(2) from now on, for good: the first before
 * it, the second in the parent, the third in the child.  0 or -ENOMEM. */
int os_at_fork(void (*before)(void), void (*parent)(void), void (*child)(void));

/* Lets another thread run: for waits that should end at any moment. */
void os_yield(void);

#endif /* RPCBUF_OS_OS_H */
