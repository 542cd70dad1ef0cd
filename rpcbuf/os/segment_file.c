/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The files of segments: whose they are, and which are left over.  A program
 * holds a lock on its own; the kernel takes it away when the program is gone.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rpcbuf/os/os.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/segment.h"

#define PREFIX_LEN (sizeof(RPCBUF_SEGMENT_PREFIX) - 1)

/* The name of a process may have blanks and parentheses. */
uint64_t segment_start_ticks(int pid)
{
	char path[32], text[1024];
	unsigned long long ticks;
	const char *fields;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (os_read_text(path, text, sizeof(text)) < 0)
		return 0;
	fields = strrchr(text, ')');
	if (!fields ||
	    sscanf(fields + 1,
		   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
		   " %*s %*s %*s %*s %*s %llu",
		   &ticks) != 1)
		return 0;
	return ticks;
}

uint64_t segment_pid_space(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

bool segment_is_locked(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* A number and its namespace, then the end or a name. */
static bool is_segment_name(const char *name)
{
	if (strncmp(name, RPCBUF_SEGMENT_PREFIX, PREFIX_LEN))
		return false;
	name += PREFIX_LEN;
	if (!isdigit((unsigned char)*name))
		return false;
	name += strspn(name, "0123456789");
	if (*name != '.')
		return false;
	name++;
	name += strspn(name, "0123456789");
	return !*name || *name == '-';
}

/* Only what bears the mark: the name alone could be anybody's. */
static bool is_left_over(int fd)
{
	char magic[8];
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && !segment_is_locked(fd) &&
	       pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       !memcmp(magic, RPCBUF_SEGMENT_MAGIC, sizeof(magic));
}

void segment_clean(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		int fd;

		if (!is_segment_name(entry->d_name + (entry->d_name[0] == '.')))
			continue;
		fd = openat(dirfd(dir), entry->d_name,
			    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0)
			continue;
		if (is_left_over(fd))
			unlinkat(dirfd(dir), entry->d_name, 0);
		close(fd);
	}
	closedir(dir);
}

void segment_copy(void *to, const void *from, size_t bytes)
{
	const uint64_t *source = from;
	uint64_t *target = to;

	for (size_t i = 0; i < bytes / sizeof(*source); i++)
		os_store(&target[i], os_load(&source[i]));
}

void segment_futex_wait(uint32_t *word, uint32_t value, uint64_t ns)
{
	struct timespec timeout = {
		.tv_sec = (time_t)(ns / OS_SECOND_NS),
		.tv_nsec = (long)(ns % OS_SECOND_NS),
	};

	syscall(SYS_futex, word, FUTEX_WAIT, value, &timeout, NULL, 0);
}

void segment_futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}
