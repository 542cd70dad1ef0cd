/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * request.h - from a received call to Ganesha's request, and back.
 */
#ifndef FSAL_RPCBUF_REQUEST_H
#define FSAL_RPCBUF_REQUEST_H

#include <rpcbuf/engine.h>

#include "abi.h"

/*
 * Decodes and runs @call through the transport in call->conn_data, as ntirpc
 * would.  The engine's handler: on one of its threads, may sleep.
 */
void request_run(struct rpcbuf_call *call);

/* May the server keep the results of @req, decoded, to encode them again for a call
 * that is sent again?  (Slots of NFSv4.1: nfs4_Compound.c, complete_nfs4_compound();
 * v4.0: nfs_dupreq.c, nfs_dupreq_v4_cacheable(); it never does a READ of v3.) */
bool request_is_cached(const struct svc_req *req);

/* A thread of the engine ends: frees what it kept. */
void request_thread_exit(void);

/*
 * The checksum that Ganesha's duplicate request cache is keyed by, in the
 * place of ntirpc's xp_checksum: a hash of the first 256 bytes at most of the
 * call's arguments, independent of where they lie in pages and fragments.
 */
void request_checksum(struct svc_req *req, void *data, size_t len);

#endif
