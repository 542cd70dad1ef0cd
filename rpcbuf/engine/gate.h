/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * gate.h - admission of long records: a limited number of bytes at a time.
 *
 * A record enters while the records inside sum to less than the limit; the
 * record of a client with none inside, while they sum to less than twice the
 * limit, so that a client need not wait for another client's peer.  It leaves
 * when it is complete.  Clients are served round robin, each first come first
 * served.
 *
 * An entry whose peer sent nothing for GATE_IDLE_NS is evicted: its connection
 * keeps its pages and goes on, but its bytes no longer count.  The time is
 * halved for the next record of that connection, and reset by a record that
 * completes inside.  So slow peers, however many, delay others only until they
 * are recognised.
 *
 * Nothing here knows a socket or a page; the time is an argument.  One thread
 * at a time.
 */
#ifndef RPCBUF_ENGINE_GATE_H
#define RPCBUF_ENGINE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/engine/rota.h"

/* Nanoseconds without a byte after which an entry is evicted.  Long enough for
 * a peer that waits for a CPU. */
#define GATE_IDLE_NS	 UINT64_C(16000000)
/* How often this time can be halved. */
#define GATE_BACKOFF_MAX 4

struct gate {
	uint64_t limit; /* bytes; the last one that enters may exceed it */
	uint64_t used;	/* bytes inside */
	struct list_head clients; /* a rota */
	struct list_head inside;
};

struct gate_client {
	struct rota_client rota;
	unsigned int inside; /* entries */
};

enum gate_state {
	GATE_NONE,    /* no long record is under way */
	GATE_WAITING, /* on client->waiting */
	GATE_INSIDE,  /* on gate->inside, and its bytes count */
	GATE_EVICTED, /* goes on, and its bytes do not count */
};

struct gate_entry {
	struct list_head link;
	struct gate_client *client;
	uint64_t idle_ns; /* since when its peer is idle; 0: it is not */
	uint32_t bytes;
	uint8_t state;	 /* enum gate_state */
	uint8_t backoff; /* its idle time is GATE_IDLE_NS >> backoff */
};

void gate_init(struct gate *gate, uint64_t limit);
void gate_client_init(struct gate_client *client);
void gate_entry_init(struct gate_entry *entry, struct gate_client *client);

/* True when an entry waits. */
static inline bool gate_has_waiters(const struct gate *gate)
{
	return !list_empty(&gate->clients);
}

/* Begins a record of @bytes: true when it may go on now; false when @entry
 * waits. */
bool gate_enter(struct gate *gate, struct gate_entry *entry, uint32_t bytes);

/* The record is complete, or was given up; or @entry no longer waits. */
void gate_leave(struct gate *gate, struct gate_entry *entry);

/* The socket of @entry was drained, at @now_ns. */
static inline void gate_entry_idle(struct gate_entry *entry, uint64_t now_ns)
{
	entry->idle_ns = now_ns;
}

/* Bytes came. */
static inline void gate_entry_busy(struct gate_entry *entry)
{
	entry->idle_ns = 0;
}

/*
 * gate_next - admits the next waiting entry, and returns it, or NULL.
 *
 * When there is no room, idle entries are evicted first.
 */
struct gate_entry *gate_next(struct gate *gate, uint64_t now_ns);

#endif /* RPCBUF_ENGINE_GATE_H */
