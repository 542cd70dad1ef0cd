/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Where the pages of an instance are: rpcbuf_mm_counts() of rpcbuf/mm.h. */
#ifndef RPCBUF_MM_COUNTS_H
#define RPCBUF_MM_COUNTS_H

#include <rpcbuf/mm/instance.h>

/* Pages that no caller has, those in reserves not counted; *@cached: those of
 * them in the caches.  Takes report.giving, budget.balloon and freezing. */
uint64_t counts_at_home(struct rpcbuf *mm, uint64_t *cached);

#endif /* RPCBUF_MM_COUNTS_H */
