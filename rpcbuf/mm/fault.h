/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Fault injection behind guard.h.  The settings and the counters are part of
 * the instance and read without a lock: also signal handlers ask.  Whether a
 * request fails follows from its number, so a run with one thread can be
 * repeated.
 */
#ifndef RPCBUF_MM_FAULT_H
#define RPCBUF_MM_FAULT_H

#include <rpcbuf/fault.h>
#include <rpcbuf/mm/instance.h>

/* Reads RPCBUF_FAULT.  0 or -EINVAL, with a sentence on standard error. */
int fault_create(struct rpcbuf *mm);

/* How many of @want pages a request may have. */
unsigned int fault_limit(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			 unsigned int want);

#endif /* RPCBUF_MM_FAULT_H */
