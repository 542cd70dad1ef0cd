/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Deficit round robin (M. Shreedhar, G. Varghese, 1995) over the clients with
 * ready connections: they share the loop's time, whatever the number of their
 * connections and the size of their calls.  A client has a credit of loop time,
 * which its calls use up; without credit it moves to the tail and gets another
 * quantum.  A client that becomes ready with credit left goes to the head, as
 * new flows do in RFC 8290: one that calls seldom is answered soon.  Within a
 * client: round robin.
 *
 * The time that a client used in other loops is taken off its next quantum,
 * down to QUANTUM_LEAST_NS, so that its connections here still proceed.  So
 * clients share the time of all loops, wherever their connections are.
 *
 * While there is only one client, or each has a loop to itself, no clock is
 * read.  The owner of the loop only.
 */
#include "rpcbuf/engine/engine_private.h"

/* What a client gets at a time. */
#define QUANTUM_NS INT64_C(50000)
/* ... at least, whatever it used in other loops. */
#define QUANTUM_LEAST_NS (QUANTUM_NS / 8)
/* Charged at most for one step: the owner may have waited for a CPU. */
#define CHARGE_MAX_NS (8 * QUANTUM_NS)

/*
 * The loop time that the client of @part ever used in other loops; three
 * quarters of it count.  If all of it counted, two clients in two loops could
 * settle at any of many splits; with three quarters they settle at the even one.
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

/* Gives the client of @part another quantum.  A debt that is larger than this
 * one carries over to the next. */
static void add_quantum(const struct loop *loop, struct client_part *part)
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
		add_quantum(loop, part);
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
	/* A client that was alone for long does not pay for all of it. */
	part->fair.credit_ns =
		rpcbuf_max(part->fair.credit_ns - spent, -CHARGE_MAX_NS);
	os_store(&part->fair.used_ns, part->fair.used_ns + (uint64_t)spent);
}

/* More than one client is ready. */
static __attribute__((noinline)) struct client_part *
choose_client(struct loop *loop)
{
	struct client_part *part;

	for (;;) {
		part = list_first_entry(&loop->fair.ready, struct client_part,
					fair.link);
		if (part->fair.credit_ns > 0)
			return part;
		add_quantum(loop, part);
		list_del(&part->fair.link);
		list_add_tail(&part->fair.link, &loop->fair.ready);
	}
}

/* True when the only client that is ready here has connections in other loops,
 * where other clients may be ready: its time here is charged there. */
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
		part = choose_client(loop);
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
	/* The client may be freed soon. */
	if (loop->fair.served == part)
		loop->fair.served = NULL;
}
