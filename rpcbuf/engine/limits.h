/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * limits.h - time limits of a connection.
 *
 * The owner of the loop only.
 */
#ifndef RPCBUF_ENGINE_LIMITS_H
#define RPCBUF_ENGINE_LIMITS_H

#include <stdint.h>

#include "rpcbuf/engine/lag.h"

struct loop;
struct rpcbuf_conn;

/* Of a connection.  0: it does not, or is not. */
struct timing {
	uint64_t progress_ns; /* when something was last received */
	uint64_t record_ns;   /* when the record under way began */
	struct lag lag;	      /* of that, while its peer is waited for */
	uint64_t slow_ns;     /* since when it brings little */
	uint32_t slow_filled; /* what had come of its record then, in bytes */
};

/* May close @conn. */
void conn_check_times(struct rpcbuf_conn *conn);

/* Time in which the loop did not run is nobody's. */
void loop_excuse(struct loop *loop, uint64_t since_last_ns);

#endif /* RPCBUF_ENGINE_LIMITS_H */
