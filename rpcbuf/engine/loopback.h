/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * loopback.h - a TCP connection within this host, to stand in for another's or to
 * try something with.
 */
#ifndef RPCBUF_ENGINE_LOOPBACK_H
#define RPCBUF_ENGINE_LOOPBACK_H

/* A listening socket, and both ends of a connection to it. */
struct loopback {
	int listening, connecting, accepted;
};

/* @family: AF_INET or AF_INET6, which needs no address of IPv6.  0, or -errno and
 * nothing is open.  Does not wait for anybody else. */
int loopback_open(struct loopback *loopback, int family);

/* Nobody else can connect any more; the connection stays. */
void loopback_stop_listening(struct loopback *loopback);

/* Those that are not -1. */
void loopback_close(const struct loopback *loopback);

#endif /* RPCBUF_ENGINE_LOOPBACK_H */
