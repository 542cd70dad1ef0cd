/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Guards: what a careful instance does on every allocation and release: fault
 * injection (fault.h) and hardening (harden.h).
 *
 * The caches know nothing of it.  While mm->guard is not 0 they are shut, so
 * that all pages pass through miss.c, which tests that word; the hits do not.
 *
 * Any thread; no locks held.
 */
#ifndef RPCBUF_MM_GUARD_H
#define RPCBUF_MM_GUARD_H

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/instance.h>
#include <rpcbuf/os/atomic.h>

/* Bits of mm->guard beside RPCBUF_HARDEN_*. */
#define GUARD_FAULT (1u << 31)

/* Sets or clears bits; shuts the caches for the first, opens them after the
 * last. */
void guard_change(struct rpcbuf *mm, uint32_t set, uint32_t clear);

static inline bool guard_on(const struct rpcbuf *mm)
{
	return rpcbuf_unlikely(os_load(&mm->guard) != 0);
}

#endif /* RPCBUF_MM_GUARD_H */
