/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Linux behind the contract of os.h.  Nothing above this folder makes a
 * system call for memory, sleeping or CPU numbers itself.
 */
#include <errno.h>
#include <string.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rpcbuf/os/assert.h>
#include <rpcbuf/os/os.h>

void os_panic(const char *format, ...)
{
	va_list ap;

	fputs("rpcbuf: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

int os_map(void **address, size_t length, size_t align)
{
	size_t slack = align - OS_PAGE_SIZE;
	char *map, *start;

	if (length > SIZE_MAX - slack)
		return -ENOMEM;
	map = mmap(NULL, length + slack, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -ENOMEM;

	start = (char *)(((uintptr_t)map + align - 1) & ~(align - 1));
	os_unmap(map, (size_t)(start - map));
	os_unmap(start + length, slack - (size_t)(start - map));
	*address = start;
	return 0;
}

void os_unmap(void *address, size_t length)
{
	if (length)
		munmap(address, length);
}

void os_advise_huge(void *address, size_t length, bool huge)
{
	madvise(address, length, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

int os_discard(void *address, size_t length, bool shared)
{
	int advice = shared ? MADV_REMOVE : MADV_DONTNEED;

	return madvise(address, length, advice) ? -errno : 0;
}

int os_futex_wait(uint32_t *word, uint32_t value, uint64_t deadline)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline / OS_SECOND_NS),
		.tv_nsec = (long)(deadline % OS_SECOND_NS),
	};

	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
		    deadline == OS_FOREVER ? NULL : &until, NULL,
		    FUTEX_BITSET_MATCH_ANY) == 0)
		return 0;
	return errno == ETIMEDOUT || errno == EINTR ? -errno : 0;
}

void os_futex_wake(uint32_t *word, int sleepers)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, sleepers, NULL, NULL, 0);
}

void os_eventfd_signal(int fd)
{
	uint64_t one = 1;
	ssize_t ret;

	do
		ret = write(fd, &one, sizeof(one));
	while (ret < 0 && errno == EINTR);
}

unsigned int os_cpu_count(void)
{
	long count = sysconf(_SC_NPROCESSORS_CONF);

	return count > 0 ? (unsigned int)count : 1;
}

bool os_cpu_has_avx2(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("avx2");
#else
	return false;
#endif
}

unsigned int os_getcpu(void)
{
	int cpu = sched_getcpu();

	return cpu >= 0 ? (unsigned int)cpu : 0;
}

int os_membarrier_register(void)
{
	if (syscall(SYS_membarrier,
		    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) < 0)
		return -errno;
	return 0;
}

void os_membarrier_rseq(void)
{
	long ret = syscall(SYS_membarrier,
			   MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);

	rpcbuf_assert(ret == 0);
}

int os_at_fork(void (*before)(void), void (*parent)(void), void (*child)(void))
{
	return pthread_atfork(before, parent, child) ? -ENOMEM : 0;
}

void os_yield(void)
{
	sched_yield();
}

int os_thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

long os_read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		n = -errno;
	else
		text[n] = '\0';
	close(fd);
	return n;
}

bool os_thread_sleeps(int id)
{
	char path[64], text[128];
	const char *state;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", id);
	if (os_read_text(path, text, sizeof(text)) < 0)
		return true;
	/* "123 (name) R ...": the name may contain what it likes. */
	state = strrchr(text, ')');
	return !state || state[1] != ' ' || state[2] != 'R';
}
