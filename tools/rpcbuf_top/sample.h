/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sample.h - one snapshot after the other, and what changed between them.
 */
#ifndef RPCBUF_TOP_SAMPLE_H
#define RPCBUF_TOP_SAMPLE_H

#include "rows.h"
#include "tools/common/attach.h"

struct sampler {
	const struct target *target;
	struct server server;
	struct rpcbuf_snapshot snapshots[2];
	unsigned int latest;
	struct picture picture; /* of both */
};

/* Attaches to the program.  FAULT_NONE, or the status in @fault. */
int sampler_open(struct sampler *sampler, const struct target *target,
		 struct fault *fault);
void sampler_close(struct sampler *sampler);

/* Takes the next snapshot.  When it cannot, and when the program has ended, the
 * picture stays as it was. */
int sampler_next(struct sampler *sampler, struct fault *fault);

/* Asks the program to go on showing its clients: once a second. */
void sampler_renew(struct sampler *sampler);

#endif
