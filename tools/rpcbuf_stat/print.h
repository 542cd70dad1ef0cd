/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * print.h - a snapshot for other programs: raw, JSON, Prometheus text.
 */
#ifndef RPCBUF_STAT_PRINT_H
#define RPCBUF_STAT_PRINT_H

#include <stdio.h>

#include "tools/common/attach.h"
#include "tools/common/figures.h"

/* A line `name value` for each figure; buckets are name_1, name_2, name_4
 * ... */
void print_raw(FILE *out, const struct server *server,
	       const struct rpcbuf_snapshot *snapshot);

/* One object on one line; @from: an earlier snapshot for rates, or NULL. */
void print_json(FILE *out, const struct server *server,
		const struct rpcbuf_snapshot *from,
		const struct rpcbuf_snapshot *snapshot);

/* The text exposition format, version 0.0.4. */
void print_prometheus(FILE *out, const struct server *server,
		      const struct rpcbuf_snapshot *snapshot);

#endif
