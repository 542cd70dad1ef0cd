/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: when pages are short, the grant goes to one connection at a time, first
 * come first served within a client, clients in turn, none forgotten and none
 * waiting longer than those before it. Small records do not starve large ones,
 * and all end. A waiter continues without the grant as soon as its client has
 * room.
 * Method: a model of the shortage. Connections of some clients receive records
 * of random sizes out of a budget that is smaller than a few of them, page by
 * page, in random order, by the rules of the engine; some close in the middle.
 * A plain queue beside it gives the order. The seed is printed.
 */
#include "wire_util.h"

#include "rpcbuf/engine/turn.h"

#define CLIENTS 4
#define CONNS	24
#define LIMIT	40u /* limit of pages of partial records */
#define RECORD	65u /* pages of the largest record */

struct conn {
	struct turn turn; /* first of the model */
	unsigned int client;
	uint32_t size, held; /* pages of the current record */
	uint64_t asked;	     /* begin of its wait; 0: does not wait */
	unsigned int done;
	bool told;
};

static struct turns turns;
static struct rota_client clients[CLIENTS];
static struct conn conns[CONNS];
static uint64_t last_turn[CLIENTS]; /* last grant of each client */
static uint64_t clock_now;
static uint32_t held;
static uint32_t client_held[CLIENTS];
static unsigned int turns_taken, offers;

static void tell(struct turn *next)
{
	((struct conn *)next)->told = true;
}

/* As the quota: a client may hold as much as all leave. */
static uint32_t room(const struct conn *c)
{
	uint32_t left = LIMIT - rpcbuf_min(held, LIMIT);
	uint32_t own = client_held[c->client];

	return left > own ? (left - own + 1) / 2 : 0;
}

static bool may_go_on(const struct turn *turn)
{
	return room((const struct conn *)turn);
}

static void offer(struct turn *next)
{
	offers++;
	tell(next);
}

static void take(struct conn *c, uint32_t n)
{
	c->held += n;
	client_held[c->client] += n;
	held += n;
}

static void end_turn(struct conn *c)
{
	turn_end(&turns, &c->turn, tell);
	c->asked = 0;
}

/* By the model: of the client whose grant is longest ago, or that began to wait
 * first since then, the connection that has waited longest. */
static struct conn *oldest_of(unsigned int client)
{
	struct conn *oldest = NULL;

	for (int i = 0; i < CONNS; i++)
		if (conns[i].client == client && conns[i].asked &&
		    turns.holder != &conns[i].turn &&
		    (!oldest || conns[i].asked < oldest->asked))
			oldest = &conns[i];
	return oldest;
}

/* @c got the grant, after a wait since @asked. */
static void check_order(struct conn *c, uint64_t asked)
{
	for (int i = 0; i < CONNS; i++)
		if (conns[i].client == c->client && &conns[i] != c &&
		    conns[i].asked)
			ck_assert_uint_gt(conns[i].asked, asked);
	for (unsigned int k = 0; k < CLIENTS; k++) {
		struct conn *other = oldest_of(k);

		/* No other client has waited since before this client's last
		 * grant. */
		if (k != c->client && other && last_turn[c->client])
			ck_assert(other->asked > last_turn[c->client] ||
				  last_turn[k] > last_turn[c->client]);
	}
	last_turn[c->client] = clock_now;
	turns_taken++;
}

/* As the engine's rule: number of pages that @c may take now. */
static uint32_t may_take(struct conn *c)
{
	uint64_t asked;

	if (turn_held(&turns, &c->turn))
		return c->size - c->held;
	if (room(c)) {
		if (c->turn.waiting) {
			end_turn(c);
			turn_offer(&turns, may_go_on, offer);
		}
		return room(c);
	}
	if (!c->held && held < 2 * LIMIT + RECORD)
		return 1;
	asked = c->asked ? c->asked : clock_now;
	c->told = false;
	if (turn_ask(&turns, &c->turn)) {
		c->asked = 0;
		check_order(c, asked);
		return c->size - c->held;
	}
	c->asked = asked;
	return 0;
}

static void finish(struct conn *c)
{
	held -= c->held;
	client_held[c->client] -= c->held;
	c->held = 0;
	c->done++;
	end_turn(c);
	turn_offer(&turns, may_go_on, offer);
}

/* One step of a connection; true when its record progressed. */
static bool step(struct conn *c, uint64_t *seed)
{
	uint32_t n = may_take(c);
	bool shares = n && room(c) && !turn_held(&turns, &c->turn);

	clock_now++;
	n = rpcbuf_min(n, c->size - c->held);
	if (n > 1 && test_below(seed, 3))
		n = 1 + test_below(seed, n);
	take(c, n);
	/* No more than is left, except for one page. */
	if (shares)
		ck_assert_uint_le(client_held[c->client], LIMIT - held + 1);
	if (c->held == c->size)
		finish(c);
	else if (test_below(seed, 500) == 0)
		finish(c); /* closed in the middle */
	else
		return n > 0;
	c->size = test_below(seed, 2) ? 1 + test_below(seed, 2)
				      : 1 + test_below(seed, RECORD);
	return true;
}

static void check_state(void)
{
	uint32_t sum = 0;
	unsigned int told = 0, waiting = 0;

	for (int i = 0; i < CONNS; i++) {
		sum += conns[i].held;
		waiting += conns[i].turn.waiting;
		told += conns[i].turn.waiting && conns[i].told;
		ck_assert(conns[i].turn.waiting == (conns[i].asked != 0));
	}
	ck_assert_uint_eq(sum, held);
	ck_assert_uint_le(held, 2 * LIMIT + 2 * RECORD);
	/* A free grant with waiters was always offered to one. */
	ck_assert(turns.holder || !waiting || told);
}

static bool all_done(void)
{
	for (int i = 0; i < CONNS; i++)
		if (!conns[i].done)
			return false;
	return true;
}

START_TEST(shortage)
{
	uint64_t seed = test_seed();
	unsigned int i, steps = TEST_ROUNDS(40000), idle = 0;

	turns_init(&turns);
	for (i = 0; i < CLIENTS; i++)
		rota_client_init(&clients[i]);
	for (i = 0; i < CONNS; i++) {
		/* The first client has most of the connections. */
		conns[i].client = i < CLIENTS ? i : test_below(&seed, 2);
		turn_init(&conns[i].turn, &clients[conns[i].client]);
		conns[i].size = 1 + test_below(&seed, RECORD);
	}
	for (i = 0; i < steps || !all_done(); i++) {
		ck_assert_uint_lt(i, 100 * steps);
		idle = step(&conns[test_below(&seed, CONNS)], &seed) ? 0
								     : idle + 1;
		/* Random order: a connection that may continue is found
		 * soon. */
		ck_assert_uint_lt(idle, CONNS * 40);
		check_state();
	}
	ck_assert_uint_gt(turns_taken, steps / 10000);
	ck_assert_uint_gt(offers, steps / 10000);
	for (i = 0; i < CONNS; i++)
		end_turn(&conns[i]);
	ck_assert_ptr_eq(turns.holder, NULL);
	ck_assert(list_empty(&turns.clients));
	turns_exit(&turns);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("turn");
	TCase *tcase = tcase_create("turn");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, shortage, 0, 5);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
