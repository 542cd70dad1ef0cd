/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory and time are shared between clients, not between connections (quota.c,
 * fair.c).  The table is under clients.lock.
 *
 * IPv4 and IPv4 mapped into IPv6 are the same address.  Connections that this
 * process opened are one client of their own, so that replies to its calls
 * never queue behind the calls of a busy client.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rpcbuf/engine/address.h"
#include "rpcbuf/engine/engine_private.h"

uint16_t client_port(int fd)
{
	union address peer = address_of_peer(fd);

	if (peer.any.sa_family == AF_INET)
		return ntohs(peer.in.sin_port);
	return peer.any.sa_family == AF_INET6 ? ntohs(peer.in6.sin6_port) : 0;
}

void clients_init(struct clients *clients)
{
	pthread_mutex_init(&clients->lock, NULL);
	for (unsigned int i = 0; i < CLIENT_BUCKETS; i++)
		list_init(&clients->buckets[i]);
	for (unsigned int i = 0; i < PORT_BUCKETS; i++)
		list_init(&clients->ports[i]);
}

void clients_exit(struct clients *clients)
{
	pthread_mutex_destroy(&clients->lock);
}

static void client_key(int fd, bool outgoing, uint8_t *key)
{
	union address peer;
	struct in6_addr ip;

	memset(key, 0xff, CLIENT_KEY);
	if (outgoing)
		return;
	peer = address_of_peer(fd);
	ip = address_ipv6(&peer);
	memcpy(key, &ip, CLIENT_KEY);
}

static struct list_head *address_bucket(struct rpcbuf_engine *engine,
					const uint8_t *key)
{
	uint64_t words[CLIENT_KEY / sizeof(uint64_t)];
	uint64_t hash;

	memcpy(words, key, sizeof(words));
	hash = (words[0] ^ words[1] * UINT64_C(0x9e3779b97f4a7c15)) *
	       UINT64_C(0xff51afd7ed558ccd);
	return &engine->clients.buckets[hash >> 32 & (CLIENT_BUCKETS - 1)];
}

static struct client *create_client(struct rpcbuf_engine *engine,
				    const uint8_t *key)
{
	unsigned int nr = engine->nr_loops + 1; /* and the one of replies */
	size_t size = nr * sizeof(struct client_part);
	struct client *client;

	assert_held(&engine->clients.lock);
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->parts = aligned_alloc(_Alignof(struct client_part), size);
	if (!client->parts) {
		free(client);
		return NULL;
	}
	memset(client->parts, 0, size);
	memcpy(client->key, key, CLIENT_KEY);
	list_init(&client->link);
	admit_init_client(&client->admit);
	for (unsigned int i = 0; i < nr; i++) {
		client->parts[i].client = client;
		list_init(&client->parts[i].fair.link);
		list_init(&client->parts[i].fair.ready);
		gate_client_init(&client->parts[i].gate);
	}
	list_add(&client->link, address_bucket(engine, key));
	os_store(&engine->clients.nr, engine->clients.nr + 1);
	return client;
}

struct client *client_get(struct rpcbuf_engine *engine, int fd, bool outgoing)
{
	struct client *client, *tmp, *found = NULL;
	uint8_t key[CLIENT_KEY];

	client_key(fd, outgoing, key);
	pthread_mutex_lock(&engine->clients.lock);
	list_for_each_entry_safe (client, tmp, address_bucket(engine, key),
				  struct client, link)
		if (memcmp(client->key, key, CLIENT_KEY) == 0)
			found = client;
	if (!found)
		found = create_client(engine, key);
	if (found)
		os_store(&found->nr_conns, found->nr_conns + 1);
	pthread_mutex_unlock(&engine->clients.lock);
	return found;
}

void client_put(struct rpcbuf_engine *engine, struct client *client)
{
	pthread_mutex_lock(&engine->clients.lock);
	os_store(&client->nr_conns, client->nr_conns - 1);
	if (client->nr_conns == 0) {
		list_del(&client->link);
		os_store(&engine->clients.nr, engine->clients.nr - 1);
	} else {
		client = NULL;
	}
	pthread_mutex_unlock(&engine->clients.lock);
	if (client)
		free(client->parts);
	free(client);
}

void client_leave(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	struct client *client = conn->part->client;

	pthread_mutex_lock(&engine->clients.lock);
	conn->part = NULL;
	pthread_mutex_unlock(&engine->clients.lock);
	client_put(engine, client);
}

uint64_t client_unsent(const struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	uint64_t unsent = 0;

	pthread_mutex_lock(&engine->clients.lock);
	if (conn->part)
		unsent = os_load(&conn->part->client->unsent_pinned);
	pthread_mutex_unlock(&engine->clients.lock);
	return unsent;
}

struct loop *client_choose_loop(struct rpcbuf_engine *engine,
				const struct client *client)
{
	uint32_t start = os_fetch_add(&engine->next_loop, 1);
	uint64_t least = UINT64_MAX;
	struct loop *best = NULL;

	for (unsigned int i = 0; i < engine->nr_loops; i++) {
		unsigned int n = (start + i) % engine->nr_loops;
		uint64_t load = (uint64_t)os_load(&client->parts[n].nr_conns)
					<< 32 |
				os_load(&engine->loops[n].conns.nr);

		if (load < least) {
			least = load;
			best = &engine->loops[n];
		}
	}
	return best;
}
