/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* batch.h - prints pictures as plain text. */
#ifndef RPCBUF_TOP_BATCH_H
#define RPCBUF_TOP_BATCH_H

#include "columns.h"
#include "sample.h"

/* Prints @count pictures (0: no limit), one after each @delay_ns; so the first
 * has rates too. */
int batch(struct sampler *sampler, const struct order *order, uint64_t delay_ns,
	  unsigned int count, struct fault *fault);

#endif
