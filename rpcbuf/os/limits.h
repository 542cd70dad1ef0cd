/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What this process may use of the machine: its control groups, in both of
 * their versions and at every level, its resource limits and its affinity.
 *
 * @root: a folder that stands for the root of the file system, under which
 * proc/self/cgroup, proc/self/mountinfo and what these name are looked for; "":
 * the real one.  Nothing is kept; a file that is not there, or makes no sense,
 * sets no limit.  Any thread; they read files.
 */
#ifndef RPCBUF_OS_LIMITS_H
#define RPCBUF_OS_LIMITS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a controller's files for this process are. */
struct os_cgroup {
	char path[PATH_MAX]; /* of its group's folder; "": there is none */
	size_t top;	     /* length of the part that is the mount point */
	bool unified;	     /* version 2 */
};

/* Finds "memory" or "cpu" of this process: version 1 where that has the
 * controller, else version 2.  NULL: version 2. */
void os_cgroup_find(struct os_cgroup *group, const char *root,
		    const char *controller);

/* Bytes: the least of the machine's memory, the limits of the groups, and
 * RLIMIT_AS and RLIMIT_DATA. */
uint64_t os_memory_usable(const char *root);

/* Bytes: the least limit of @group and those above; UINT64_MAX: there is none. */
uint64_t os_cgroup_memory(const struct os_cgroup *group);

/* CPUs at a time: those that the thread may run on, or what the groups' quotas
 * amount to, rounded up, where that is less.  At least 1. */
unsigned int os_cpus_usable(const char *root);

/* Is a group with a limit, at any level, within an eighth of it?  What the kernel
 * could take back by itself, the contents of files, does not count. */
bool os_memory_is_short(const struct os_cgroup *group);

#endif /* RPCBUF_OS_LIMITS_H */
