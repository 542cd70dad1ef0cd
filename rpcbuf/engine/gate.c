/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * After gate_leave(), and from time to time while entries wait, the caller
 * calls gate_next() until it returns NULL.
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

void gate_entry_init(struct gate_entry *entry, struct gate_client *client)
{
	*entry = (struct gate_entry){.client = client};
	list_init(&entry->link);
}

static bool gate_has_room(const struct gate *gate,
			  const struct gate_client *client)
{
	return gate->used < gate->limit ||
	       (!client->inside && gate->used / 2 < gate->limit);
}

static void admit_entry(struct gate *gate, struct gate_entry *entry)
{
	gate->used += entry->bytes;
	entry->client->inside++;
	entry->state = GATE_INSIDE;
	entry->idle_ns = 0;
	list_add_tail(&entry->link, &gate->inside);
}

static void remove_entry(struct gate *gate, struct gate_entry *entry)
{
	gate->used -= entry->bytes;
	entry->client->inside--;
	list_del(&entry->link);
}

static void evict(struct gate *gate, struct gate_entry *entry)
{
	remove_entry(gate, entry);
	entry->state = GATE_EVICTED;
	if (entry->backoff < GATE_BACKOFF_MAX)
		entry->backoff++;
}

bool gate_enter(struct gate *gate, struct gate_entry *entry, uint32_t bytes)
{
	if (entry->state != GATE_NONE)
		return entry->state != GATE_WAITING;
	entry->bytes = bytes;
	/* If others of its client wait, there is no room: see gate_next(). */
	if (list_empty(&entry->client->rota.waiting) &&
	    gate_has_room(gate, entry->client)) {
		admit_entry(gate, entry);
		return true;
	}
	rota_join(&gate->clients, &entry->client->rota, &entry->link);
	entry->state = GATE_WAITING;
	return false;
}

void gate_leave(struct gate *gate, struct gate_entry *entry)
{
	if (entry->state == GATE_INSIDE) {
		remove_entry(gate, entry);
		entry->backoff = 0;
	} else if (entry->state == GATE_WAITING) {
		rota_leave(&entry->client->rota, &entry->link);
	}
	entry->state = GATE_NONE;
}

static bool is_idle(const struct gate_entry *entry, uint64_t now_ns)
{
	return entry->idle_ns &&
	       now_ns >= entry->idle_ns + (GATE_IDLE_NS >> entry->backoff);
}

static void evict_idle(struct gate *gate, uint64_t now_ns)
{
	struct gate_entry *entry, *tmp;

	list_for_each_entry_safe (entry, tmp, &gate->inside, struct gate_entry,
				  link)
		if (is_idle(entry, now_ns))
			evict(gate, entry);
}

/* While less than twice the limit is used, only clients with an entry inside lack
 * room, and these are few; above that the scan passes all waiting clients. */
static struct gate_entry *first_with_room(const struct gate *gate)
{
	struct gate_client *client, *next;

	list_for_each_entry_safe (client, next, &gate->clients,
				  struct gate_client, rota.link)
		if (gate_has_room(gate, client))
			return list_first_entry(&client->rota.waiting,
						struct gate_entry, link);
	return NULL;
}

struct gate_entry *gate_next(struct gate *gate, uint64_t now_ns)
{
	struct gate_entry *entry = first_with_room(gate);

	if (!entry && gate_has_waiters(gate)) {
		evict_idle(gate, now_ns);
		entry = first_with_room(gate);
	}
	if (!entry)
		return NULL;
	rota_serve(&gate->clients, &entry->client->rota, &entry->link);
	admit_entry(gate, entry);
	return entry;
}
