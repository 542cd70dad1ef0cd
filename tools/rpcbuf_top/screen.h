/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* screen.h - the picture on a terminal, and what its keys do. */
#ifndef RPCBUF_TOP_SCREEN_H
#define RPCBUF_TOP_SCREEN_H

#include "columns.h"
#include "sample.h"

/* Until it is told to quit, or after @count pictures.  When the program ends it
 * says so, and waits for another one where it was not told which by its process
 * id or file. */
int screen(struct sampler *sampler, struct order *order, uint64_t delay_ns,
	   unsigned int count, struct fault *fault);

#endif
