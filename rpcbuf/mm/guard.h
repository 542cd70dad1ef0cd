/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Guards: what a careful instance does on every allocation and release: fault
 * injection (fault.h) and hardening (harden.h).
 *
 * The caches know nothing of it.  While mm->guard is not 0 they are shut, so
 * that all pages pass through the functions below, which node.c and page.h
 * call when that word is set; the misses test it, the hits do not.
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

/* What options and environment ask for.  0, -EINVAL or -ENOMEM. */
int guard_create(struct rpcbuf *mm, const struct rpcbuf_options *options);
void guard_destroy(struct rpcbuf *mm);

/* Sets or clears bits; shuts the caches for the first, opens them after the
 * last. */
void guard_change(struct rpcbuf *mm, uint32_t set, uint32_t clear);

/* node_take() and node_take_run() while a guard is on. */
unsigned int guard_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
			rpcbuf_nodemask_t mask, void **pages, unsigned int want)
	__attribute__((cold));
void *guard_take_run(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		     rpcbuf_nodemask_t mask, unsigned int nr)
	__attribute__((cold));

/* The same for runs above ZONE_BLOCK_PAGES: before and after the taking. */
bool guard_refuses(struct rpcbuf *mm, rpcbuf_gfp_t gfp) __attribute__((cold));
void guard_taken(struct rpcbuf *mm, void *first, uint64_t nr)
	__attribute__((cold));

/* A page whose last reference was dropped, before it is put away. */
void guard_free(struct rpcbuf *mm, uint64_t index) __attribute__((cold));

static inline bool guard_on(const struct rpcbuf *mm)
{
	return rpcbuf_unlikely(os_load(&mm->guard) != 0);
}

#endif /* RPCBUF_MM_GUARD_H */
