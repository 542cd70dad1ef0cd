/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * untouched.h - has anybody read from a TCP socket?
 */
#ifndef RPCBUF_ENGINE_UNTOUCHED_H
#define RPCBUF_ENGINE_UNTOUCHED_H

#include <stdbool.h>

/*
 * untouched - not a byte of what came to @fd was ever read.
 *
 * Exact while nobody reads from it: what comes meanwhile, and the end of the
 * stream, change nothing.  False as well when the connection was reset, and for
 * what is no TCP socket.  Any thread; does not wait.
 */
bool untouched(int fd);

#endif /* RPCBUF_ENGINE_UNTOUCHED_H */
