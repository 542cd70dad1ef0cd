/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * gate.h - so many bytes at a time, in order.
 *
 * Long records are received a few at a time: whoever begins one passes a gate
 * that is open while those inside are shorter than a limit, all together, and
 * leaves when the record is there.  For a client that has none inside it is
 * open up to twice that, so that it need not wait for another's peer to send.
 * Clients take turns at it, and among the passes of a client the one that
 * waited longest is first.
 *
 * Who is inside and does not get on for its patience, because its peer is slow,
 * is put out: it keeps what it has and goes on, but no longer counts.  Its
 * patience is halved for the next record, and whole again once a record has
 * come without that; so slow peers, however many, do not hold up others for
 * longer than it takes to see that they are slow.
 *
 * Nothing here knows a socket or a page, and time is what the caller says.  One
 * thread at a time.
 */
#ifndef RPCBUF_ENGINE_GATE_H
#define RPCBUF_ENGINE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/engine/rota.h"

/* Nanoseconds without a byte after which a pass is put out: a peer may have to
 * wait for a CPU that others use. */
#define GATE_PATIENCE_NS    UINT64_C(16000000)
/* How often that can be halved. */
#define GATE_PATIENCE_SHIFT 4

struct gate {
	uint64_t limit; /* bytes inside, or twice that, see above: the last may
			 * go beyond it */
	uint64_t used;
	struct list_head clients; /* a rota */
	struct list_head inside;
};

struct gate_client {
	struct rota_client rota;
	unsigned int inside; /* passes */
};

enum pass_state {
	PASS_NONE,  /* no long record is under way */
	PASS_WAITS, /* on client->waiting */
	PASS_IN,    /* on gate->inside, and its bytes count */
	PASS_OUT,   /* goes on without: it was put out */
};

struct pass {
	struct list_head link;
	struct gate_client *client;
	uint64_t idle_ns; /* since when it does not get on, 0: it does */
	uint32_t bytes;
	uint8_t state; /* enum pass_state */
	uint8_t hurry; /* its patience is halved so often */
};

void gate_init(struct gate *gate, uint64_t limit);
void gate_client_init(struct gate_client *client);
void pass_init(struct pass *pass, struct gate_client *client);

/* Somebody waits to be let in. */
static inline bool gate_waited_for(const struct gate *gate)
{
	return !list_empty(&gate->clients);
}

/* Begins a record of @bytes: true when it may go on now, else @pass waits. */
bool gate_enter(struct gate *gate, struct pass *pass, uint32_t bytes);

/* The record is there, or never will be; or @pass no longer waits. */
void gate_leave(struct gate *gate, struct pass *pass);

/* All that has come for @pass was taken, at @now_ns; or more has come. */
static inline void pass_idle(struct pass *pass, uint64_t now_ns)
{
	pass->idle_ns = now_ns;
}

static inline void pass_busy(struct pass *pass)
{
	pass->idle_ns = 0;
}

/*
 * gate_next - lets in the next one that waits: the pass, or NULL.
 *
 * If it would have to wait, those inside that have not got on for their
 * patience are put out first.
 */
struct pass *gate_next(struct gate *gate, uint64_t now_ns);

#endif /* RPCBUF_ENGINE_GATE_H */
