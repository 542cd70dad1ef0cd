/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The way to wake the maintenance: a kick ends its sleep.
 *
 * Owns maintain.pressure and `listens`.  A kick while nobody listens does
 * nothing.  Any thread, with no lock held; never waits.
 */
#ifndef RPCBUF_MM_KICK_H
#define RPCBUF_MM_KICK_H

#include <rpcbuf/mm/instance.h>
#include <rpcbuf/os/atomic.h>

/* With @pressure the sleep ends when the system is short of memory, too.  0 or
 * -errno, with a sentence. */
int kick_open(struct rpcbuf *mm, bool pressure);

/* Once no thread sleeps or kicks; also in a forked child. */
void kick_close(struct rpcbuf *mm);

void kick(struct rpcbuf *mm);

/* False where the maintenance has no thread. */
static inline bool kick_listens(const struct rpcbuf *mm)
{
	return os_load(&mm->maintain.listens);
}

#endif /* RPCBUF_MM_KICK_H */
