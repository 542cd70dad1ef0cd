/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * config.h - the RPCBUF block of ganesha.conf.
 *
 *	RPCBUF {
 *		Memory = 268435456;
 *		Max_Payload = 1048576;
 *	}
 *
 * The block is optional, as is every parameter.  It is read by Ganesha's own
 * parser, when the first export that names RPCBUF is created and whenever the
 * file is read again; see reload.h.
 */
#ifndef FSAL_RPCBUF_CONFIG_H
#define FSAL_RPCBUF_CONFIG_H

#include <stdint.h>

#include "config_parsing.h"

/*
 * The values in force: defaults that depend on the machine are already in
 * their place.  Units and ranges are those of the parameter in the comment.
 */
struct fsal_rpcbuf_config {
	/* Memory: page budget in bytes, 1 MiB to 1 TiB and at least three page
	 * vectors; default an eighth of what the process may use, at least
	 * 64 MiB. */
	uint64_t memory;
	/* Max_Payload: bytes of a WRITE that a page vector takes, and of a READ,
	 * whole pages, 64 KiB to 4 MiB; default 1 MiB.  How clients are told:
	 * see sizes.c. */
	uint32_t max_payload;
	/* Max_Fragments: fragments of one record, empty ones counted too, 1 to
	 * 1048576; default 65536. */
	uint32_t max_fragments;
	/* Receive_Threads: threads that wait for sockets, 1 to 64; default (and
	 * 0) as many as the process may use CPUs at a time, at most 64. */
	uint32_t receive_threads;
	/* Max_Threads: threads that run calls, 1 to 4096; default 256. */
	uint32_t max_threads;
	/* Read_Ahead: bytes that one receive asks a socket for, whole pages,
	 * 4 KiB to 4 MiB; default 256 KiB. */
	uint32_t read_ahead;
	/* Batch_Calls: calls of one connection that wait together and whose
	 * replies leave together, 1 to 1024; default 8. */
	uint32_t batch_calls;
	/* Long_Call: microseconds; the calls of a connection that sleep, and
	 * take longer on average, run on threads of their own; 0 to 1000000,
	 * 0: never; default 40. */
	uint32_t long_call;
	/* Handover: microseconds; a thread whose call runs for longer is
	 * relieved of its connections; 100 to 1000000; default 500. */
	uint32_t handover;
	/* Spin: microseconds that a thread looks for the next call before it
	 * blocks, 0 to 1000, 0: never; default 50. */
	uint32_t spin;
	/* Idle_Timeout: seconds after which a connection without calls is
	 * closed, 1 to 604800; default (and 0) RPC_Idle_Timeout_S of
	 * NFS_CORE_PARAM. */
	uint32_t idle_timeout;
	/* Record_Timeout: seconds that a record may fall behind Least_Rate once
	 * begun, 1 to 3600; default 60. */
	uint32_t record_timeout;
	/* Least_Rate: bytes per second that a record must come with in the
	 * end, 0 to 1 MiB, 0: any byte is enough; default 1 KiB. */
	uint32_t least_rate;
	/* Max_Unsent: bytes of replies to one client that may wait in memory
	 * before it is not read from, 0 to 1 TiB; default 1 MiB. */
	uint64_t max_unsent;
	/* Max_Partial: bytes that the unfinished records of all connections may
	 * hold, 0 to 1 TiB; default (and 0, and at most) half of what Memory
	 * leaves beside the vectors. */
	uint64_t max_partial;
	/* Max_Partial_Connection: ... that one may hold, unless it is its turn,
	 * whole pages, 0 to 8 MiB; default (and 0) as long as a record is. */
	uint32_t max_partial_connection;
	/* Max_Calls: calls in flight on one connection, 1 to 65536; default
	 * 128. */
	uint32_t max_calls;
	/* Max_Connections: connections that are received from, 1 to 1048576;
	 * default (and 0) half as many as the process may have descriptors. */
	uint32_t max_connections;
	/* Max_Receiving: bytes of records longer than 128 KiB that one loop
	 * receives at a time, 0 (no limit) to 1 TiB; default 4 MiB. */
	uint64_t max_receiving;
	/* Engine: auto, epoll or io_uring, an enum rpcbuf_backend; default
	 * auto.  The server does not start with one that the system lacks. */
	uint32_t engine;
	/* Local_Congestion and Keep_Awake, of versions before: not 0 when they
	 * are given.  They do nothing. */
	uint32_t local_congestion, keep_awake;
	/* Statistics: absolute path of the file that counters are written to;
	 * default NULL, and none is written. */
	char *statistics;
};

/*
 * fsal_rpcbuf_config_read - fill @cfg from the parsed configuration.
 *
 * Every complaint of the parser counts, unknown parameters included; they are
 * in @err_type with file and line.  Returns 1; 0 when there is no such block
 * and @cfg has the defaults; or -EINVAL with nothing in @cfg.
 */
int fsal_rpcbuf_config_read(struct fsal_rpcbuf_config *cfg, config_file_t file,
			    struct config_error_type *err_type);

/*
 * fsal_rpcbuf_complain - add a sentence to what @err_type collects.
 *
 * Counts an error.  The sentence goes where the parser's own complaints go: to
 * the log, or to the caller who added an export over the message bus.
 */
void fsal_rpcbuf_complain(struct config_error_type *err_type,
			  const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Bytes of Memory that @threads receiving threads need, at least. */
uint64_t fsal_rpcbuf_config_least(const struct fsal_rpcbuf_config *cfg,
				  uint32_t threads);

/* What @cfg points to; @cfg itself is the caller's. */
void fsal_rpcbuf_config_free(struct fsal_rpcbuf_config *cfg);

/* What can stand in the block, up to an item without a name. */
const struct config_item *fsal_rpcbuf_config_parameters(void);

#endif
