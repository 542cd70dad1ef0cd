/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * receive.h - one receive of a connection; or it is parked.
 *
 * The owner of the loop only.
 */
#ifndef RPCBUF_ENGINE_RECEIVE_H
#define RPCBUF_ENGINE_RECEIVE_H

#include "rpcbuf/engine/reception.h"

struct rpcbuf_conn;

/* Receives what the socket of @conn has, as far as it is admitted.  @conn may
 * be closed when this returns. */
void receive(struct rpcbuf_conn *conn);

/* Parks @conn, which is ready, for @what. */
void receive_park(struct rpcbuf_conn *conn, enum parked_for what);

/* Parks @conn, which was admitted, for memory that it did not find, @what. */
void receive_lacks(struct rpcbuf_conn *conn, enum parked_for what);

/* @conn is not parked any more: it receives, or waits for its peer. */
void receive_goes_on(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_RECEIVE_H */
