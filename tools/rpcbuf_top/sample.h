/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sample.h - takes snapshots, and computes a picture from two of them.
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

/* Takes the next snapshot.  On failure, and when the program has ended, leaves
 * the picture as it is. */
int sampler_next(struct sampler *sampler, struct fault *fault);

/* Renews the lease on the table of clients; call it once a second. */
void sampler_renew(struct sampler *sampler);

#endif
