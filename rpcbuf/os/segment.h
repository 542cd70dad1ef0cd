/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What both ends of a segment do: the publisher (publish.c), which owns file
 * and mapping, and readers (segment.c).  See rpcbuf/segment.h for the layout.
 */
#ifndef RPCBUF_OS_SEGMENT_H
#define RPCBUF_OS_SEGMENT_H

#include <rpcbuf/segment.h>

/* Fields of the process @pid: when it started, in ticks since the boot, or 0
 * when it is not seen; and the inode of this process's PID namespace. */
uint64_t segment_start_ticks(int pid);
uint64_t segment_pid_space(void);

/* Is the file @fd locked by the program that made it?  True, too, for a lock
 * that a forked child of it keeps. */
bool segment_is_locked(int fd);

/* Removes what crashed programs of this user left in @folder. */
void segment_clean(const char *folder);

/* Copies words that another process may be writing: no tearing within one. */
void segment_copy(void *to, const void *from, size_t bytes);

/* Sleeps on, and wakes, a word that processes share. */
void segment_futex_wait(uint32_t *word, uint32_t value, uint64_t ns);
void segment_futex_wake(uint32_t *word);

/* Of a record's sequence: it is being written. */
#define EVENT_BUSY (UINT64_C(1) << 63)

/* Where the parts of a segment are. */
static inline void *segment_at(void *map, uint64_t offset)
{
	return (char *)map + offset;
}

#endif /* RPCBUF_OS_SEGMENT_H */
