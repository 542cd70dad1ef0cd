/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* screen.h - shows pictures on a terminal, and handles keys. */
#ifndef RPCBUF_TOP_SCREEN_H
#define RPCBUF_TOP_SCREEN_H

#include "columns.h"
#include "sample.h"

/* Runs until a key quits, or @count pictures were shown.  When the program
 * ends, says so and waits for another one, unless a process id or a file was
 * named. */
int screen(struct sampler *sampler, struct order *order, uint64_t delay_ns,
	   unsigned int count, struct fault *fault);

#endif
