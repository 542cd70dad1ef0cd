/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The gate that long records pass.  Whoever leaves, or sees time go by while
 * somebody waits, calls gate_next() until it lets nobody in any more.
 */
#include "rpcbuf/engine/gate.h"

void gate_init(struct gate *gate, uint64_t limit)
{
	gate->limit = limit;
	gate->used = 0;
	list_init(&gate->clients);
	list_init(&gate->inside);
}

void gate_client_init(struct gate_client *client)
{
	rota_client_init(&client->rota);
	client->inside = 0;
}

void pass_init(struct pass *pass, struct gate_client *client)
{
	*pass = (struct pass){.client = client};
	list_init(&pass->link);
}

static bool has_room(const struct gate *gate, const struct gate_client *client)
{
	return gate->used < gate->limit ||
	       (!client->inside && gate->used / 2 < gate->limit);
}

static void let_in(struct gate *gate, struct pass *pass)
{
	gate->used += pass->bytes;
	pass->client->inside++;
	pass->state = PASS_IN;
	pass->idle_ns = 0;
	list_add_tail(&pass->link, &gate->inside);
}

static void let_out(struct gate *gate, struct pass *pass)
{
	gate->used -= pass->bytes;
	pass->client->inside--;
	list_del(&pass->link);
}

static void put_out(struct gate *gate, struct pass *pass)
{
	let_out(gate, pass);
	pass->state = PASS_OUT;
	if (pass->hurry < GATE_PATIENCE_SHIFT)
		pass->hurry++;
}

bool gate_enter(struct gate *gate, struct pass *pass, uint32_t bytes)
{
	if (pass->state != PASS_NONE)
		return pass->state != PASS_WAITS;
	pass->bytes = bytes;
	/* Who waits already has no room, see gate_next(). */
	if (list_empty(&pass->client->rota.waiting) &&
	    has_room(gate, pass->client)) {
		let_in(gate, pass);
		return true;
	}
	rota_join(&gate->clients, &pass->client->rota, &pass->link);
	pass->state = PASS_WAITS;
	return false;
}

void gate_leave(struct gate *gate, struct pass *pass)
{
	if (pass->state == PASS_IN) {
		let_out(gate, pass);
		pass->hurry = 0;
	} else if (pass->state == PASS_WAITS) {
		rota_leave(&pass->client->rota, &pass->link);
	}
	pass->state = PASS_NONE;
}

static bool is_slow(const struct pass *pass, uint64_t now_ns)
{
	return pass->idle_ns &&
	       now_ns >= pass->idle_ns + (GATE_PATIENCE_NS >> pass->hurry);
}

static void put_out_slow(struct gate *gate, uint64_t now_ns)
{
	struct pass *pass, *tmp;

	list_for_each_entry_safe (pass, tmp, &gate->inside, struct pass, link)
		if (is_slow(pass, now_ns))
			put_out(gate, pass);
}

/* Clients that have something inside are few: the look ends at others. */
static struct pass *first_with_room(const struct gate *gate)
{
	struct gate_client *client, *next;

	list_for_each_entry_safe (client, next, &gate->clients,
				  struct gate_client, rota.link)
		if (has_room(gate, client))
			return list_first_entry(&client->rota.waiting,
						struct pass, link);
	return NULL;
}

struct pass *gate_next(struct gate *gate, uint64_t now_ns)
{
	struct pass *pass = first_with_room(gate);

	if (!pass && gate_waited_for(gate)) {
		put_out_slow(gate, now_ns);
		pass = first_with_room(gate);
	}
	if (!pass)
		return NULL;
	rota_serve(&gate->clients, &pass->client->rota, &pass->link);
	let_in(gate, pass);
	return pass;
}
