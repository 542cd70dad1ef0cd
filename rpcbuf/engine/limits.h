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

/* Of a connection.  Times are 0 when there is no such time. */
struct timing {
	uint64_t progress_ns; /* when bytes were last received */
	uint64_t record_ns;   /* when the record under way began */
	struct lag lag;	      /* of that record */
	uint64_t slow_ns;     /* since when its peer trickles */
	uint32_t slow_filled; /* bytes of its record at that time */
};

/* Checks the time limits of @conn, and may close it. */
void conn_check_times(struct rpcbuf_conn *conn);

/* Time in which the loop did not run does not count against any connection. */
void loop_excuse(struct loop *loop, uint64_t since_last_ns);

#endif /* RPCBUF_ENGINE_LIMITS_H */
