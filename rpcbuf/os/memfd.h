/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory that can be mapped more than once.  0 or -errno; lengths, offsets and
 * addresses are multiples of the page size.
 */
#ifndef RPCBUF_OS_MEMFD_H
#define RPCBUF_OS_MEMFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As os_map(), of shared memory whose descriptor goes to *@fd, the caller's to
 * os_close(); the mapping is the memory's from offset 0 on. */
int os_map_shared(void **address, size_t length, size_t align, int *fd);
void os_close(int fd);

/* In a child of the process that mapped it: what is written from now on is the
 * child's own, what it reads is as it was.  Memory that cannot be mapped so can
 * only be read.  May be called by a handler of pthread_atfork(3). */
void os_make_private(void *address, size_t length, int fd);

/* Children do not get this mapping. */
int os_keep_from_children(void *address, size_t length);

/* Reserves addresses that fault on use. */
int os_reserve(void **address, size_t length);

/* Maps part of the memory at @address, in place of what is there. */
int os_map_at(void *address, size_t length, int fd, uint64_t offset);

/* True when memory is behind a page, so that reading it commits nothing. */
bool os_is_committed(void *page);

#endif /* RPCBUF_OS_MEMFD_H */
