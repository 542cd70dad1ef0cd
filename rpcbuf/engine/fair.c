/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Whose turn it is among the ready connections of a loop.  Clients share the
 * loop's time, whatever the number of their connections and the size of their
 * calls: each has a credit of time, pays for what its calls take, and goes to
 * the end when it has none left (deficit round robin; M. Shreedhar, G. Varghese,
 * 1995).  One that was not ready comes in front while it has credit, so that
 * who calls seldom is answered soon (as new flows are in RFC 8290).  Within a
 * client connections take turns.
 *
 * While only one client is ready no clock is read.  The owner of the loop only.
 */
#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* A share: what one client gets at a time. */
#define QUANTUM_NS INT64_C(50000)
/* What is taken at most for one turn: the owner may have waited for a CPU. */
#define CHARGE_MAX_NS (8 * QUANTUM_NS)

/* @conn is ready, behind the other connections of its client. */
void fair_add(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	struct client_part *part = conn->part;

	list_add_tail(&conn->place_link, &part->ready);
	if (!list_empty(&part->link))
		return;
	if (part->credit_ns > 0)
		list_add(&part->link, &loop->ready);
	else
		list_add_tail(&part->link, &loop->ready);
}

/* @conn is not ready any more. */
void fair_del(struct rpcbuf_conn *conn)
{
	list_del(&conn->place_link);
	if (list_empty(&conn->part->ready))
		list_del(&conn->part->link);
}

/* The client that ran last pays for the time since. */
static void charge(struct loop *loop)
{
	uint64_t now = os_now();
	int64_t spent = (int64_t)(now - loop->served_ns);

	if (loop->served)
		loop->served->credit_ns -= rpcbuf_min(spent, CHARGE_MAX_NS);
	loop->served_ns = now;
}

/* More than one client is ready. */
static __attribute__((noinline)) struct client_part *choose(struct loop *loop)
{
	struct client_part *part;

	charge(loop);
	for (;;) {
		part = list_first_entry(&loop->ready, struct client_part, link);
		if (part->credit_ns > 0)
			break;
		part->credit_ns += QUANTUM_NS;
		list_del(&part->link);
		list_add_tail(&part->link, &loop->ready);
	}
	loop->served = part;
	return part;
}

/* The connection whose turn it is; there is one. */
struct rpcbuf_conn *fair_next(struct loop *loop)
{
	struct client_part *part;

	if (loop->ready.next == loop->ready.prev) {
		if (loop->served)
			charge(loop);
		loop->served = NULL;
		part = list_first_entry(&loop->ready, struct client_part, link);
	} else {
		part = choose(loop);
	}
	return list_first_entry(&part->ready, struct rpcbuf_conn, place_link);
}

/* Under loop->lock: @conn is one of the loop's connections now. */
void fair_join(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	struct client_part *part = conn->part;

	os_store(&loop->nr_conns, loop->nr_conns + 1);
	os_store(&part->nr_conns, part->nr_conns + 1);
	if (part->nr_conns == 1) {
		part->credit_ns = QUANTUM_NS;
		os_store(&loop->nr_clients, loop->nr_clients + 1);
	}
}

/* Under loop->lock: not any more.  The owner. */
void fair_leave(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	struct client_part *part = conn->part;

	os_store(&loop->nr_conns, loop->nr_conns - 1);
	os_store(&part->nr_conns, part->nr_conns - 1);
	if (part->nr_conns == 0)
		os_store(&loop->nr_clients, loop->nr_clients - 1);
	/* The client may be gone soon. */
	if (loop->served == part)
		loop->served = NULL;
}
