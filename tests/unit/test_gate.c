/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: long records pass the gate a few at a time: up to the limit and one
 * more, twice that for clients without an admitted record; first come first
 * served within a client, clients in turn, none forgotten. Peers that are slow,
 * or stop, delay no other for longer than the gate's idle time, whatever their
 * number.
 * Method: a model of loop and peers with its own clock. Connections of some
 * clients receive records of random sizes, fast ones in a few steps, slow ones
 * with long pauses; some close at any point. A plain queue beside it gives the
 * order. The seed is printed.
 */
#include "rpcbuf/engine/gate.h"
#include "rpcbuf/os/bits.h"
#include "wire_util.h"

#define CLIENTS 4
#define CONNS	40
#define LIMIT	(4u << 20)
#define RECORD	(1u << 20) /* the longest */
#define STEP_NS UINT64_C(100000)

struct conn {
	struct gate_entry entry; /* first of the model */
	unsigned int client;
	bool slow;
	uint32_t size, left; /* of the current record */
	uint64_t next_ns;    /* when its peer sends again */
	uint64_t asked;	     /* begin of its wait; 0: does not wait */
	unsigned int done;
};

static struct gate gate;
static struct gate_client clients[CLIENTS];
static struct conn conns[CONNS];
static uint64_t now, asked_last;
static uint64_t let_in[CLIENTS]; /* last admission of a waiter of each client */
static unsigned int waited, nr_evicted;

static struct conn *oldest_of(unsigned int client)
{
	struct conn *oldest = NULL;

	for (int i = 0; i < CONNS; i++)
		if (conns[i].client == client && conns[i].asked &&
		    (!oldest || conns[i].asked < oldest->asked))
			oldest = &conns[i];
	return oldest;
}

/* True when @client may begin a record while @used bytes are admitted. */
static bool has_room(unsigned int client, uint64_t used)
{
	return used < (clients[client].inside ? gate.limit : 2 * gate.limit);
}

/* @c was admitted from the queue: it was the first of its client, and other
 * waiters either came after this client's last admission or had no room. */
static void check_order(struct conn *c)
{
	uint64_t used = gate.used - c->entry.bytes;

	require(oldest_of(c->client) == c);
	for (unsigned int k = 0; k < CLIENTS; k++) {
		struct conn *other = oldest_of(k);

		if (k == c->client || !other || !let_in[c->client] ||
		    !has_room(k, used))
			continue;
		require(other->asked > let_in[c->client] ||
			let_in[k] > let_in[c->client]);
	}
	let_in[c->client] = ++asked_last;
	c->asked = 0;
	waited++;
}

static void check_state(void)
{
	uint64_t inside = 0;
	unsigned int of_clients[CLIENTS] = { 0 };

	for (int i = 0; i < CONNS; i++) {
		const struct conn *c = &conns[i];

		if (c->entry.state == GATE_INSIDE) {
			inside += c->entry.bytes;
			of_clients[c->client]++;
		}
		require((c->entry.state == GATE_WAITING) == (c->asked != 0));
	}
	require(inside == gate.used);
	require(inside < 2 * gate.limit + RECORD);
	for (unsigned int k = 0; k < CLIENTS; k++)
		require(of_clients[k] == clients[k].inside);
}

/* Admits waiters, as the loop does in each round and after a close. */
static void come_round(void)
{
	struct gate_entry *entry;
	uint8_t before[CONNS];

	for (int i = 0; i < CONNS; i++) {
		before[i] = conns[i].entry.state;
		/* Received bytes are seen before a record is removed. */
		if (conns[i].next_ns <= now)
			gate_entry_busy(&conns[i].entry);
	}
	while ((entry = gate_next(&gate, now))) {
		require(entry->state == GATE_INSIDE);
		check_order((struct conn *)entry);
	}
	/* None waits while there is room. */
	for (unsigned int k = 0; k < CLIENTS; k++)
		require(!oldest_of(k) || !has_room(k, gate.used));
	for (int i = 0; i < CONNS; i++) {
		if (before[i] != GATE_INSIDE || conns[i].entry.state != GATE_EVICTED)
			continue;
		/* Only connections without progress, and only after the idle
		 * time. */
		require(conns[i].slow);
		nr_evicted++;
	}
}

static void begin(struct conn *c, uint64_t *seed)
{
	c->size = c->left = 1 + test_below(seed, RECORD);
	if (!gate_enter(&gate, &c->entry, c->size))
		c->asked = ++asked_last;
}

static void end(struct conn *c)
{
	gate_leave(&gate, &c->entry);
	require(c->entry.state == GATE_NONE);
	c->asked = 0;
	c->left = 0;
	come_round();
}

/* Receives what a connection's peer has sent. */
static void receive(struct conn *c, uint64_t *seed)
{
	gate_entry_busy(&c->entry);
	c->left -= rpcbuf_min(c->left, 1 + test_below(seed, RECORD / 2));
	if (!c->left) {
		c->done++;
		end(c);
		return;
	}
	gate_entry_idle(&c->entry, now);
	c->next_ns = now + test_below(seed, 1000000);
	if (c->slow)
		c->next_ns += 2 * GATE_IDLE_NS;
}

static void step(struct conn *c, uint64_t *seed)
{
	if (!c->left)
		begin(c, seed);
	else if (test_below(seed, 1000) == 0)
		end(c); /* closed, in any state */
	else if (c->entry.state != GATE_WAITING && now >= c->next_ns)
		receive(c, seed);
}

static void setup(uint64_t limit, uint64_t *seed, unsigned int slow_of_ten)
{
	now = 1;
	asked_last = waited = nr_evicted = 0;
	gate_init(&gate, limit);
	memset(let_in, 0, sizeof(let_in));
	for (int i = 0; i < CLIENTS; i++)
		gate_client_init(&clients[i]);
	for (int i = 0; i < CONNS; i++) {
		/* The first clients have most of the connections. */
		conns[i] = (struct conn){
			.client = i < CLIENTS ? (unsigned int)i
					      : test_below(seed, 2),
			.slow = test_below(seed, 10) < slow_of_ten,
		};
		gate_entry_init(&conns[i].entry, &clients[conns[i].client]);
	}
}

static void run(unsigned int steps, uint64_t *seed)
{
	for (unsigned int i = 0; i < steps; i++) {
		now += test_below(seed, STEP_NS);
		if (test_below(seed, 8) == 0)
			come_round();
		step(&conns[test_below(seed, CONNS)], seed);
		check_state();
	}
	for (int i = 0; i < CONNS; i++)
		end(&conns[i]);
	ck_assert_uint_eq(gate.used, 0);
	ck_assert(list_empty(&gate.clients) && list_empty(&gate.inside));
}

/* Fast ones, and some slow ones among them. */
START_TEST(order)
{
	uint64_t seed = test_seed() + (uint64_t)_i * 2;
	unsigned int least = ~0u, most = 0;

	setup(LIMIT, &seed, _i ? 3 : 0);
	run(TEST_ROUNDS(200000), &seed);
	ck_assert_uint_gt(waited, 100);
	ck_assert((nr_evicted > 0) == (_i > 0));
	for (int i = 0; i < CONNS; i++) {
		if (conns[i].slow)
			continue;
		least = rpcbuf_min(least, conns[i].done);
		most = rpcbuf_max(most, conns[i].done);
	}
	ck_assert_uint_gt(least, 0);
	/* Equal parts for clients, not for connections, but all in
	 * proportion. */
	ck_assert_uint_lt(most, 50 * (least + 1));
}
END_TEST

/* A connection that never pauses progresses beside many stopped ones as fast as
 * the idle time allows: the gate waits 1/16 of it for each, once they are
 * known. */
START_TEST(many_slow)
{
	uint64_t seed = test_seed(), began;
	unsigned int rounds = 0;

	setup(1, &seed, 0); /* one record at a time */
	for (int i = 1; i < CONNS; i++) {
		conns[i].slow = true;
		conns[i].next_ns = UINT64_MAX;
	}
	for (; rounds < 20; rounds++) {
		for (int i = 1; i < CONNS; i++)
			if (conns[i].entry.state == GATE_EVICTED)
				gate_leave(&gate, &conns[i].entry);
		for (int i = 1; i < CONNS; i++)
			if (conns[i].entry.state == GATE_NONE)
				begin(&conns[i], &seed);
		begin(&conns[0], &seed);
		for (began = now; conns[0].asked; now += STEP_NS) {
			come_round();
			for (int i = 1; i < CONNS; i++)
				if (conns[i].entry.state == GATE_INSIDE &&
				    !conns[i].entry.idle_ns)
					gate_entry_idle(&conns[i].entry, now);
			check_state();
		}
		/* Its client has others, but they come after those of the three
		 * other clients: at most so many are before it. */
		ck_assert_uint_le(now - began,
				  (CONNS + 1) * (GATE_IDLE_NS + STEP_NS));
		end(&conns[0]);
	}
	/* All of them are known to be slow now. */
	ck_assert_uint_le(now - began, (CONNS + 1) * ((GATE_IDLE_NS >>
						       GATE_BACKOFF_MAX) +
						      2 * STEP_NS));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gate");
	TCase *tcase = tcase_create("gate");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, order, 0, 3);
	tcase_add_test(tcase, many_slow);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
