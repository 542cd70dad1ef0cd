/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Whose turn it is among the ready connections of a loop.  Clients share the
 * loop's time, whatever the number of their connections and the size of their
 * calls: each has a credit of time, pays for what its calls take, and goes to
 * the end when it has none left (deficit round robin; M. Shreedhar, G.
 * Varghese, 1995).  One that was not ready comes in front while it has credit,
 * so that who calls seldom is answered soon (as new flows are in RFC 8290).
 * Within a client connections take turns.
 *
 * What a client had of other loops since its last turn is taken off its share,
 * down to a rest that lets its connections here go on: so clients share the
 * time of all loops, wherever their connections are.
 *
 * While there is only one client, or each has a loop to itself, no clock is
 * read.  The owner of the loop only.
 */
#include "rpcbuf/engine/engine_private.h"

/* A share: what one client gets at a time. */
#define QUANTUM_NS INT64_C(50000)
/* ... at least, whatever it has elsewhere. */
#define QUANTUM_LEAST_NS (QUANTUM_NS / 8)
/* What is taken at most for one turn: the owner may have waited for a CPU. */
#define CHARGE_MAX_NS (8 * QUANTUM_NS)

/*
 * What the client of @part had of other loops, ever.  Not all of it counts: of
 * the many ways in which clients can share two loops the even one is where this
 * comes to rest.
 */
static uint64_t used_elsewhere(const struct loop *loop,
			       const struct client_part *part)
{
	const struct client *client = part->client;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < loop->engine->nr_loops; i++)
		if (&client->parts[i] != part)
			sum += os_load(&client->parts[i].fair.used_ns);
	return sum - sum / 4;
}

/* The next share of a client that has used up the last one.  What cannot be
 * taken off this one is taken off the next ones. */
static void refill(const struct loop *loop, struct client_part *part)
{
	uint64_t elsewhere = used_elsewhere(loop, part);
	int64_t had = (int64_t)(elsewhere - part->fair.elsewhere_ns), off;

	had = rpcbuf_min(had, CHARGE_MAX_NS);
	off = rpcbuf_min(had, QUANTUM_NS - QUANTUM_LEAST_NS);
	part->fair.elsewhere_ns = elsewhere - (uint64_t)(had - off);
	part->fair.credit_ns += QUANTUM_NS - off;
}

void fair_add(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	struct client_part *part = conn->part;

	list_add_tail(&conn->reception.link, &part->fair.ready);
	if (!list_empty(&part->fair.link))
		return;
	if (part->fair.credit_ns > 0) {
		list_add(&part->fair.link, &loop->fair.ready);
	} else {
		refill(loop, part);
		list_add_tail(&part->fair.link, &loop->fair.ready);
	}
}

void fair_del(struct rpcbuf_conn *conn)
{
	list_del(&conn->reception.link);
	if (list_empty(&conn->part->fair.ready))
		list_del(&conn->part->fair.link);
}

void fair_charge(struct loop *loop, uint64_t (*clock)(void))
{
	struct client_part *part = loop->fair.served;
	uint64_t now;
	int64_t spent;

	if (!part)
		return;
	now = clock();
	spent = rpcbuf_min((int64_t)(now - loop->fair.served_ns),
			   CHARGE_MAX_NS);
	loop->fair.served_ns = now;
	/* Alone it may go on for long: that is not held against it. */
	part->fair.credit_ns =
		rpcbuf_max(part->fair.credit_ns - spent, -CHARGE_MAX_NS);
	os_store(&part->fair.used_ns, part->fair.used_ns + (uint64_t)spent);
}

/* More than one client is ready. */
static __attribute__((noinline)) struct client_part *choose(struct loop *loop)
{
	struct client_part *part;

	for (;;) {
		part = list_first_entry(&loop->fair.ready, struct client_part,
					fair.link);
		if (part->fair.credit_ns > 0)
			return part;
		refill(loop, part);
		list_del(&part->fair.link);
		list_add_tail(&part->fair.link, &loop->fair.ready);
	}
}

/* The only client that is ready here pays where others wait for it to. */
static bool is_elsewhere(const struct loop *loop,
			 const struct client_part *part)
{
	return os_load(&loop->engine->clients.nr) > 1 &&
	       os_load(&part->client->nr_conns) != os_load(&part->nr_conns);
}

struct rpcbuf_conn *fair_next(struct loop *loop, uint64_t (*clock)(void))
{
	bool alone = loop->fair.ready.next == loop->fair.ready.prev;
	struct client_part *part = list_first_entry(
		&loop->fair.ready, struct client_part, fair.link);
	bool pays = !alone || is_elsewhere(loop, part);

	if (!alone)
		part = choose(loop);
	if (pays && !loop->fair.served)
		loop->fair.served_ns = clock();
	loop->fair.served = pays ? part : NULL;
	return list_first_entry(&part->fair.ready, struct rpcbuf_conn,
				reception.link);
}

void fair_join(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	struct client_part *part = conn->part;

	os_store(&loop->conns.nr, loop->conns.nr + 1);
	os_store(&part->nr_conns, part->nr_conns + 1);
	if (part->nr_conns == 1) {
		part->fair.credit_ns = QUANTUM_NS;
		part->fair.elsewhere_ns = used_elsewhere(loop, part);
		os_store(&loop->conns.nr_clients, loop->conns.nr_clients + 1);
	}
}

void fair_leave(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	struct client_part *part = conn->part;

	os_store(&loop->conns.nr, loop->conns.nr - 1);
	os_store(&part->nr_conns, part->nr_conns - 1);
	if (part->nr_conns == 0)
		os_store(&loop->conns.nr_clients, loop->conns.nr_clients - 1);
	/* The client may be gone soon. */
	if (loop->fair.served == part)
		loop->fair.served = NULL;
}
