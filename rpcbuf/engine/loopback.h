/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * loopback.h - a TCP connection within this host: a placeholder, or a probe of
 * what the kernel does.
 */
#ifndef RPCBUF_ENGINE_LOOPBACK_H
#define RPCBUF_ENGINE_LOOPBACK_H

/* A listening socket, and both ends of a connection to it. */
struct loopback {
	int listening, connecting, accepted;
};

/* @family: AF_INET or AF_INET6, which needs no address of IPv6.  Returns 0, or
 * -errno and opens nothing.  Does not wait for another process. */
int loopback_open(struct loopback *loopback, int family);

/* Closes the listening socket; the connection stays. */
void loopback_stop_listening(struct loopback *loopback);

/* Closes those that are not -1. */
void loopback_close(const struct loopback *loopback);

#endif /* RPCBUF_ENGINE_LOOPBACK_H */
