/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * client.h - a client: the connections from one address, whatever their ports.
 *
 * A client exists as long as it has connections.  Any thread.
 */
#ifndef RPCBUF_ENGINE_CLIENT_H
#define RPCBUF_ENGINE_CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/engine/admit.h"
#include "rpcbuf/engine/fair.h"
#include "rpcbuf/os/list.h"

struct loop;
struct rpcbuf_client;
struct rpcbuf_conn;
struct rpcbuf_engine;

#define CLIENT_KEY	   16	 /* bytes of an address */
#define CLIENT_BUCKETS	   256u	 /* a power of two */
#define PORT_BUCKETS 1024u /* likewise */

/* Why a record was refused. */
enum refusal {
	REFUSED_LENGTH,
	REFUSED_FRAGMENTS,
	REFUSED_SHORT,
	REFUSED_TIMEOUT,
	NR_REFUSALS
};

/* Of an engine: all of it under the lock. */
struct clients {
	pthread_mutex_t lock;
	struct list_head buckets[CLIENT_BUCKETS]; /* by address */
	unsigned int nr;			  /* others read it */
	/* Connections, by the ports of their peers: successor.c. */
	struct list_head ports[PORT_BUCKETS];
};

/* The connections of a client in one loop. */
struct client_part {
	struct fair_part fair;
	struct client *client;
	struct gate_client gate;
	uint32_t partial;	/* pages: quota.c; other loops read it */
	unsigned int nr_conns;	/* atomic; changed under conns.lock */
} __attribute__((aligned(64))); /* each loop writes its own */

struct client {
	struct list_head link; /* clients->buckets[] */
	uint8_t key[CLIENT_KEY];
	unsigned int nr_conns; /* atomic; changed under clients.lock */
	struct admit_client admit;
	uint64_t refused[NR_REFUSALS]; /* atomic */
	uint64_t unsent_pinned; /* bytes that unsent replies pin; atomic */
	struct rpcbuf_client *row;     /* the publisher's */
	struct client_part *parts;     /* of each loop */
};

void clients_init(struct clients *clients);
void clients_exit(struct clients *clients);

/* The client at the other end of @fd, with one more connection counted; NULL
 * when there is no memory.  client_put() takes that one off. */
struct client *client_get(struct rpcbuf_engine *engine, int fd, bool outgoing);
void client_put(struct rpcbuf_engine *engine, struct client *client);

/* Takes @conn, which is closed or was not adopted, off its client. */
void client_leave(struct rpcbuf_conn *conn);

/* Bytes that unsent replies to the client of @conn pin; 0 after
 * client_leave(). */
uint64_t client_unsent(const struct rpcbuf_conn *conn);

/* client_check.c, for debug builds: NULL, or the rule that is broken.  No
 * thread runs. */
const char *client_is_valid(struct rpcbuf_engine *engine,
			    const struct client *client);

/* The peer's port of @fd; 0 where there are no ports. */
uint16_t client_port(int fd);

/* The loop with the fewest connections of @client; among equals the one with
 * the fewest connections, round robin. */
struct loop *client_choose_loop(struct rpcbuf_engine *engine,
				const struct client *client);

#endif /* RPCBUF_ENGINE_CLIENT_H */
