/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rows.h - a row per client: levels, and rates between two snapshots.
 */
#ifndef RPCBUF_TOP_ROWS_H
#define RPCBUF_TOP_ROWS_H

#include <rpcbuf/segment.h>

#define ROW_ADDRESS 48

struct row {
	const struct rpcbuf_client *now;
	char address[ROW_ADDRESS];
	uint64_t waiting_ns; /* longest wait now; 0: none */
	uint64_t refused;    /* for all reasons */
	bool known;	     /* in both snapshots, so it has rates */
	double calls, bytes, reply_bytes; /* per second */
};

/* The contents of one refresh. */
struct picture {
	const struct rpcbuf_snapshot *from, *to; /* from: NULL at first */
	double seconds;				 /* between them */
	struct row rows[RPCBUF_CLIENTS_MAX];
	unsigned int nr;
	unsigned int longest; /* address, in characters */
};

/* Computes the rows of @picture, in the order of the snapshot. */
void picture_fill(struct picture *picture);

#endif
