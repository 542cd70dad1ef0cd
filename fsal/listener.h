/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * listener.h - accepting connections only while there are descriptors.
 *
 * Without one, ntirpc's function tries again and again, with a thread for each
 * listener.  So it is called only when one can be had; else the listener waits,
 * and is looked at ten times a second until there is one.
 */
#ifndef FSAL_RPCBUF_LISTENER_H
#define FSAL_RPCBUF_LISTENER_H

#include "abi.h"

/*
 * Before the first listener_recv().  @stock: ntirpc's function.  @claim is
 * called for each connection before ntirpc waits for its bytes; where that
 * returned true, @accepted when the server has it in full, or has destroyed it;
 * both by the thread that accepted it, with a reference held.
 */
void listener_init(enum xprt_stat (*stock)(SVCXPRT *xprt),
		   bool (*claim)(SVCXPRT *xprt),
		   void (*accepted)(SVCXPRT *xprt));

/* In the place of a listener's xp_recv. */
enum xprt_stat listener_recv(SVCXPRT *xprt);

/* Goes on accepting where that is possible.  True while listeners wait: to be
 * called again after LISTENER_MS. */
#define LISTENER_MS 100
bool listener_tick(void);

/* Nothing is accepted any more. */
void listener_end(void);

#endif
