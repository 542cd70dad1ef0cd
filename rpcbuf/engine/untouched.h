/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * untouched.h - whether any byte of a TCP socket was ever read.
 */
#ifndef RPCBUF_ENGINE_UNTOUCHED_H
#define RPCBUF_ENGINE_UNTOUCHED_H

#include <stdbool.h>

/*
 * untouched - returns true when no byte that came to @fd was ever read.
 *
 * Exact while no thread reads from it: bytes that come meanwhile, and the end
 * of the stream, change nothing.  False when the connection was reset, and when
 * @fd is no TCP socket.  Any thread; does not wait.
 */
bool untouched(int fd);

#endif /* RPCBUF_ENGINE_UNTOUCHED_H */
