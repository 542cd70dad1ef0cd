/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: while pages are short, one connection at a time gets the grant: first
 * come first served within a client, round robin over clients; none is
 * forgotten, none waits for longer than the connections before it; small
 * records do not starve large ones, and all of them end.  A waiting connection
 * goes on without the grant as soon as its client has room.
 * Method: a model of the shortage.  Connections of some clients receive
 * records of random sizes out of a budget that is smaller than a few of them,
 * page by page, in random order, by the rules of the engine; some end in the
 * middle.  The test says from arrival times alone which one must be next.  The
 * seed is printed.
 */
#include "wire_util.h"

#include "rpcbuf/engine/grant.h"

#define CLIENTS 4
#define CONNS	24
#define LIMIT	40u /* pages of all partial records */
#define RECORD	65u /* pages of the largest */

struct conn {
	struct grant_request request; /* first */
	unsigned int client;
	uint32_t size, partial; /* pages of the record under way */
	uint64_t asked;	     /* when it began to wait, 0 when it does not */
	unsigned int done;
	bool notified;
};

static struct grant_queue queue;
static struct rota_client clients[CLIENTS];
static struct conn conns[CONNS];
static uint64_t last_grant[CLIENTS]; /* when a client was granted last */
static uint64_t clock_now;
static uint32_t partial;
static uint32_t client_partial[CLIENTS];
static unsigned int nr_grants, offers;

static void notify(struct grant_request *next)
{
	((struct conn *)next)->notified = true;
}

/* As quota_room() does: a client may have as much as all leave. */
static uint32_t room(const struct conn *c)
{
	uint32_t left = LIMIT - rpcbuf_min(partial, LIMIT);
	uint32_t own = client_partial[c->client];

	return left > own ? (left - own + 1) / 2 : 0;
}

static bool fits_quota(const struct grant_request *request)
{
	return room((const struct conn *)request);
}

static void offer(struct grant_request *next)
{
	offers++;
	notify(next);
}

static void take(struct conn *c, uint32_t n)
{
	c->partial += n;
	client_partial[c->client] += n;
	partial += n;
}

static void end_request(struct conn *c)
{
	grant_release(&queue, &c->request, notify);
	c->asked = 0;
}

/* The connection of @client that has waited longest, or NULL. */
static struct conn *oldest_of(unsigned int client)
{
	struct conn *oldest = NULL;

	for (int i = 0; i < CONNS; i++)
		if (conns[i].client == client && conns[i].asked &&
		    queue.holder != &conns[i].request &&
		    (!oldest || conns[i].asked < oldest->asked))
			oldest = &conns[i];
	return oldest;
}

/* @c got the grant, having waited since @asked. */
static void check_order(struct conn *c, uint64_t asked)
{
	for (int i = 0; i < CONNS; i++)
		if (conns[i].client == c->client && &conns[i] != c &&
		    conns[i].asked)
			ck_assert_uint_gt(conns[i].asked, asked);
	for (unsigned int k = 0; k < CLIENTS; k++) {
		struct conn *other = oldest_of(k);

		/* No other client has waited since before this one's last
		 * grant. */
		if (k != c->client && other && last_grant[c->client])
			ck_assert(other->asked > last_grant[c->client] ||
				  last_grant[k] > last_grant[c->client]);
	}
	last_grant[c->client] = clock_now;
	nr_grants++;
}

/* As quota_ask() does: how many pages @c may take now. */
static uint32_t may_take(struct conn *c)
{
	uint64_t asked;

	if (grant_held(&queue, &c->request))
		return c->size - c->partial;
	if (room(c)) {
		if (c->request.waiting) {
			end_request(c);
			grant_offer(&queue, fits_quota, offer);
		}
		return room(c);
	}
	if (!c->partial && partial < 2 * LIMIT + RECORD)
		return 1;
	asked = c->asked ? c->asked : clock_now;
	c->notified = false;
	if (grant_request(&queue, &c->request)) {
		c->asked = 0;
		check_order(c, asked);
		return c->size - c->partial;
	}
	c->asked = asked;
	return 0;
}

static void finish(struct conn *c)
{
	partial -= c->partial;
	client_partial[c->client] -= c->partial;
	c->partial = 0;
	c->done++;
	end_request(c);
	grant_offer(&queue, fits_quota, offer);
}

/* One step of a connection; true when its record progressed. */
static bool step(struct conn *c, uint64_t *seed)
{
	uint32_t n = may_take(c);
	bool shares = n && room(c) && !grant_held(&queue, &c->request);

	clock_now++;
	n = rpcbuf_min(n, c->size - c->partial);
	if (n > 1 && test_below(seed, 3))
		n = 1 + test_below(seed, n);
	take(c, n);
	/* No more than is left, except for one page. */
	if (shares)
		ck_assert_uint_le(client_partial[c->client], LIMIT - partial + 1);
	if (c->partial == c->size)
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
	unsigned int notified = 0, waiting = 0;

	for (int i = 0; i < CONNS; i++) {
		sum += conns[i].partial;
		waiting += conns[i].request.waiting;
		notified += conns[i].request.waiting && conns[i].notified;
		ck_assert(conns[i].request.waiting == (conns[i].asked != 0));
	}
	ck_assert_uint_eq(sum, partial);
	ck_assert_uint_le(partial, 2 * LIMIT + 2 * RECORD);
	/* When the grant is free, a waiting connection was notified. */
	ck_assert(queue.holder || !waiting || notified);
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

	grant_queue_init(&queue);
	for (i = 0; i < CLIENTS; i++)
		rota_client_init(&clients[i]);
	for (i = 0; i < CONNS; i++) {
		/* The first client has most of the connections. */
		conns[i].client = i < CLIENTS ? i : test_below(&seed, 2);
		grant_request_init(&conns[i].request, &clients[conns[i].client]);
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
	ck_assert_uint_gt(nr_grants, steps / 10000);
	ck_assert_uint_gt(offers, steps / 10000);
	for (i = 0; i < CONNS; i++)
		end_request(&conns[i]);
	ck_assert_ptr_eq(queue.holder, NULL);
	ck_assert(list_empty(&queue.clients));
	grant_queue_exit(&queue);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("grant");
	TCase *tcase = tcase_create("grant");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, shortage, 0, 5);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
