/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * linger.h - destroyed transports whose descriptor is not given back at once.
 */
#ifndef FSAL_RPCBUF_LINGER_H
#define FSAL_RPCBUF_LINGER_H

#include "abi.h"

/* Before ntirpc unlinks @xprt: keeps its descriptor for a while, if need be. */
void linger_unlink(SVCXPRT *xprt);

/* At least once a second; more often while descriptors are short. */
void linger_tick(void);

/* Gives all back, and keeps none from now on. */
void linger_end(void);

#endif /* FSAL_RPCBUF_LINGER_H */
