/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Hardening behind guard.h, chosen when an instance is made (RPCBUF_HARDEN_* in
 * rpcbuf/mm.h, or the environment variable RPCBUF_HARDEN).
 *
 * Red zone: the page behind an allocation, out with it, filled with a pattern
 * that the release of the allocation's last page checks.  `red` has a byte for
 * each page, 1 for red zones.  The holder of the page before owns it.
 */
#ifndef RPCBUF_MM_HARDEN_H
#define RPCBUF_MM_HARDEN_H

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/instance.h>

/* The flags of the options and of the environment go to *@bits.  0, -ENOMEM,
 * or -EINVAL with a sentence on standard error. */
int harden_create(struct rpcbuf *mm, unsigned int flags, uint32_t *bits);
void harden_destroy(struct rpcbuf *mm);

unsigned int harden_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
			 rpcbuf_nodemask_t mask, void **pages,
			 unsigned int want);
void *harden_take_run(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		      rpcbuf_nodemask_t mask, unsigned int nr);
/* Zeroes pages that were taken, where the flag asks for it. */
void harden_init(struct rpcbuf *mm, void *first, uint64_t nr)
	__attribute__((cold));
/* A page whose last reference was dropped, before it is put away. */
void harden_free(struct rpcbuf *mm, uint64_t index) __attribute__((cold));

#endif /* RPCBUF_MM_HARDEN_H */
