/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* batch.h - the picture as plain text, again and again. */
#ifndef RPCBUF_TOP_BATCH_H
#define RPCBUF_TOP_BATCH_H

#include "columns.h"
#include "sample.h"

/* @count pictures, 0: without end, @delay_ns apart; the first after one delay,
 * so that it has rates. */
int batch(struct sampler *sampler, const struct order *order, uint64_t delay_ns,
	  unsigned int count, struct fault *fault);

#endif
