/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "sample.h"

int sampler_open(struct sampler *sampler, const struct target *target,
		 struct fault *fault)
{
	sampler->target = target;
	sampler->picture.from = sampler->picture.to = NULL;
	return server_attach(target, &sampler->server, fault);
}

void sampler_close(struct sampler *sampler)
{
	server_detach(&sampler->server);
}

void sampler_renew(struct sampler *sampler)
{
	struct fault ignored;

	if (sampler->server.segment)
		server_watch(&sampler->server, RPCBUF_WATCH_CLIENTS, &ignored);
}

int sampler_next(struct sampler *sampler, struct fault *fault)
{
	struct picture *picture = &sampler->picture;
	struct rpcbuf_snapshot *next = &sampler->snapshots[sampler->latest ^ 1];

	if (server_check(&sampler->server, fault) ||
	    server_watch(&sampler->server, RPCBUF_WATCH_CLIENTS, fault) ||
	    server_read(&sampler->server, next, fault))
		return fault->status;
	if (picture->to && next->monotonic_ns <= picture->to->monotonic_ns)
		return FAULT_NONE; /* the program did not publish in time */
	sampler->latest ^= 1;
	picture->from = picture->to;
	picture->to = next;
	picture_fill(picture);
	return FAULT_NONE;
}
