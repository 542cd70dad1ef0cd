/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * filter.h - which calls are shown.
 */
#ifndef RPCBUF_TRACE_FILTER_H
#define RPCBUF_TRACE_FILTER_H

#include <rpcbuf/segment.h>

#define FILTER_MAX 16

struct filter {
	struct {
		uint8_t address[16];
		unsigned int bits; /* of these, from the front */
	} clients[FILTER_MAX];
	const char *procedures[FILTER_MAX];
	unsigned int nr_clients, nr_procedures;
	uint32_t min_pages;
	uint64_t min_wait_ns;
};

/* ADDRESS or ADDRESS/BITS; false when it is neither. */
bool filter_add_client(struct filter *filter, const char *text);

/* WRITE, or NFS3.WRITE; of NFS4 the operations; false when there is none. */
bool filter_add_procedure(struct filter *filter, const char *text);

/* "10us", "2ms", "1s", "500ns" or "500" as nanoseconds; false when it is none. */
bool filter_time(const char *text, uint64_t *ns);

bool filter_passes(const struct filter *filter,
		   const struct rpcbuf_event *event);

#endif
