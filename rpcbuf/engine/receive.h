/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * receive.h - one receive of a connection, or what it waits for.
 *
 * The owner of the loop only.
 */
#ifndef RPCBUF_ENGINE_RECEIVE_H
#define RPCBUF_ENGINE_RECEIVE_H

#include "rpcbuf/engine/reception.h"

struct rpcbuf_conn;

/* Takes what the socket of @conn has, as far as it is admitted.  @conn may be
 * gone when this returns. */
void receive(struct rpcbuf_conn *conn);

/* @conn, which is ready, has to wait for @what, and not for its peer. */
void receive_park(struct rpcbuf_conn *conn, enum parked_for what);

/* It has to wait for memory, @what, of which there was none. */
void receive_lacks(struct rpcbuf_conn *conn, enum parked_for what);

/* It goes on, or waits for nothing but its peer. */
void receive_goes_on(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_RECEIVE_H */
