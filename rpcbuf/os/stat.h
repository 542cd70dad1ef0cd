/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Counters that one thread at a time writes, so that an addition is no atomic
 * read-modify-write, and any thread reads, by os_load().
 */
#ifndef RPCBUF_OS_STAT_H
#define RPCBUF_OS_STAT_H

#include <rpcbuf/os/atomic.h>

#define stat_add(counter, n) os_store(&(counter), os_own(&(counter)) + (n))

#endif /* RPCBUF_OS_STAT_H */
