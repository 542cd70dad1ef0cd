/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a share runs at most half of the threads, and a client at most half of
 * these; a client with room does not wait; clients are served in turn, and none
 * is forgotten. Only a client without progress is told that a share hangs, and
 * what it withdraws then, or at any time, is its own. A retransmission of a
 * waiting call is rejected then, and one of two is recognised when they are
 * withdrawn.
 * Method: a model. Calls of some clients in some shares come, go and are
 * withdrawn in random order; lists beside it give the calls that must run, the
 * next one, and the hanging clients, by a clock of the test's. Then threads do
 * the same at the same time. The seed is printed.
 */
#include <errno.h>
#include <pthread.h>

#include "rpcbuf/engine/share.h"
#include "rpcbuf/os/bits.h"
#include "wire_util.h"

#define THREADS	    21u /* so that 10 run, and 5 of a client */
#define MOST	    10u
#define MOST_CLIENT 5u
#define CLIENTS	    4u
#define NUMBERS	    3u
#define CALLS	    200u
#define IDS	    40u

enum {
	IDLE,
	WAITS,
	RUNS
};

struct call {
	struct share_waiter waiter; /* first of the model */
	unsigned int number, client, state;
	uint64_t since; /* when it began to wait */
};

static const unsigned int numbers[NUMBERS] = {0, 255, 65535};
static struct shares shares;
static struct call calls[CALLS];
static uint64_t tick; /* of events, for their order */
static uint64_t now_ns;
static unsigned int running[NUMBERS], of_client[NUMBERS][CLIENTS];
/* When the client was served last, or began to wait. */
static uint64_t served_at[NUMBERS][CLIENTS];
/* Since when it waits without progress, as the checks saw it. */
static uint64_t still_ns[NUMBERS][CLIENTS];
static bool moved[NUMBERS][CLIENTS], stuck[NUMBERS][CLIENTS];
static unsigned int served, withdrawn, refused, repeated;

static const uint8_t *address(unsigned int client)
{
	static const uint8_t addresses[CLIENTS][SHARE_ADDRESS] = {
		{0}, {[15] = 1}, {[15] = 2}, {[0] = 1}};

	return addresses[client];
}

/* Each client has two owners. */
static const void *owner(unsigned int client, unsigned int which)
{
	return &calls[2 * client + which];
}

static bool has_room(unsigned int n, unsigned int c)
{
	return running[n] < MOST && of_client[n][c] < MOST_CLIENT;
}

/* The call that has waited longest, or NULL. */
static struct call *oldest(unsigned int n, unsigned int c)
{
	struct call *found = NULL;

	for (unsigned int i = 0; i < CALLS; i++)
		if (calls[i].state == WAITS && calls[i].number == n &&
		    calls[i].client == c &&
		    (!found || calls[i].since < found->since))
			found = &calls[i];
	return found;
}

static struct call *expect_next(unsigned int n)
{
	struct call *best = NULL, *first;

	for (unsigned int c = 0; c < CLIENTS; c++) {
		first = has_room(n, c) ? oldest(n, c) : NULL;
		if (first &&
		    (!best || served_at[n][c] < served_at[n][best->client]))
			best = first;
	}
	return best;
}

static void runs(struct call *call)
{
	call->state = RUNS;
	running[call->number]++;
	of_client[call->number][call->client]++;
}

/* As a check does: true when the client hangs. Then it stays so until it
 * progresses, even when none waits any more. */
static bool update_hang(unsigned int n, unsigned int c)
{
	if (!oldest(n, c) || moved[n][c]) {
		still_ns[n][c] = now_ns;
		moved[n][c] = false;
	} else if (now_ns >= still_ns[n][c] + SHARE_HUNG_NS) {
		stuck[n][c] = true;
	}
	return stuck[n][c];
}

static void progress(unsigned int n, unsigned int c)
{
	moved[n][c] = true;
	stuck[n][c] = false;
}

/* A client without calls is forgotten. */
static void drop_unused(unsigned int n, unsigned int c)
{
	if (!of_client[n][c] && !oldest(n, c))
		progress(n, c);
}

/* Another call waits that its client sent before it, or after it. */
static bool waits_twice(const struct call *call)
{
	for (unsigned int i = 0; i < CALLS; i++)
		if (calls[i].state == WAITS && &calls[i] != call &&
		    calls[i].number == call->number &&
		    calls[i].client == call->client &&
		    calls[i].waiter.owner == call->waiter.owner &&
		    calls[i].waiter.id == call->waiter.id)
			return true;
	return false;
}

static void enter(struct call *call, enum share_wait wait)
{
	unsigned int n = call->number, c = call->client;
	bool room = has_room(n, c), hangs;
	int ret = share_enter(&shares, numbers[n], address(c), &call->waiter,
			      wait, now_ns);

	require((ret == 1) == room);
	if (room) {
		runs(call);
		return;
	}
	hangs = wait != MAY_NOT && update_hang(n, c);
	if (hangs && waits_twice(call)) {
		require(ret == -EALREADY && !call->waiter.client);
		drop_unused(n, c);
		repeated++;
		return;
	}
	if (wait == MAY_NOT || (wait == MAY_UNLESS_HUNG && hangs)) {
		require(ret == -EBUSY && !call->waiter.client);
		drop_unused(n, c);
		refused++;
		return;
	}
	require(ret == 0);
	if (!oldest(n, c))
		served_at[n][c] = ++tick;
	call->state = WAITS;
	call->since = ++tick;
}

static void leave(struct call *call)
{
	unsigned int n = call->number;
	struct call *next, *got;

	call->state = IDLE;
	running[n]--;
	of_client[n][call->client]--;
	progress(n, call->client);
	next = expect_next(n);
	got = (struct call *)share_leave(&shares, call->waiter.client);
	require(got == next);
	if (!next)
		return;
	served++;
	runs(next);
	served_at[n][next->client] = ++tick;
	progress(n, next->client);
}

/* Withdraws some calls of a client; those with an even place belong to one
 * owner. */
static void withdraw(unsigned int c, unsigned int most, bool hung)
{
	bool hangs[NUMBERS];
	struct list_head list;
	uint64_t last = 0;
	unsigned int nr = 0, got;

	list_init(&list);
	for (unsigned int n = 0; n < NUMBERS; n++)
		hangs[n] = oldest(n, c) && (!hung || update_hang(n, c));
	got = share_withdraw(&shares, address(c), owner(c, 0), most, hung,
			     now_ns, &list);
	for (unsigned int n = 0; !list_empty(&list); nr++) {
		struct call *call =
			list_first_entry(&list, struct call, waiter.link);

		require(call->state == WAITS && call->client == c);
		require(call->waiter.owner == owner(c, 0) &&
			!call->waiter.client);
		require(hangs[call->number]);
		if (call->number != n)
			last = 0;
		n = call->number;
		require(call->since > last);
		last = call->since;
		call->state = IDLE;
		list_del(&call->waiter.link);
		require(call->waiter.repeated == (hung && waits_twice(call)));
	}
	require(nr == got && nr <= most);
	for (unsigned int n = 0; n < NUMBERS; n++)
		drop_unused(n, c);
	for (unsigned int i = 0; nr < most && i < CALLS; i++)
		require(calls[i].state != WAITS || calls[i].client != c ||
			calls[i].waiter.owner != owner(c, 0) ||
			!hangs[calls[i].number]);
	withdrawn += nr;
}

static void check(void)
{
	unsigned int waiting = 0;

	for (unsigned int n = 0; n < NUMBERS; n++)
		require(!share_is_valid(&shares, numbers[n]));
	for (unsigned int i = 0; i < CALLS; i++)
		waiting += calls[i].state == WAITS;
	require(share_waiting(&shares) == waiting);
}

static void step(uint64_t *seed)
{
	struct call *call = &calls[test_below(seed, CALLS)];

	now_ns += test_below(seed, SHARE_HUNG_NS / 4);
	if (call->state == IDLE && test_below(seed, 8)) {
		call->number = test_below(seed, NUMBERS);
		call->client = test_below(seed, CLIENTS);
		call->waiter.owner = owner(call->client, (call - calls) % 2);
		call->waiter.id = test_below(seed, IDS);
		enter(call, (enum share_wait)test_below(seed, 3));
	} else if (call->state == RUNS) {
		leave(call);
	} else if (call->state == WAITS && !test_below(seed, 16)) {
		withdraw(call->client, test_below(seed, 5),
			 test_below(seed, 2));
	}
}

static void setup(void)
{
	shares_init(&shares, THREADS);
}

static void teardown(void)
{
	shares_exit(&shares);
}

START_TEST(model)
{
	uint64_t seed = test_seed();
	bool any = true;

	for (unsigned int i = 0; i < TEST_ROUNDS(100000); i++) {
		step(&seed);
		check();
	}
	while (any) {
		any = false;
		for (unsigned int i = 0; i < CALLS; i++) {
			any |= calls[i].state != IDLE;
			if (calls[i].state == RUNS)
				leave(&calls[i]);
		}
	}
	check();
	ck_assert_uint_gt(served, 0);
	ck_assert_uint_gt(withdrawn, 0);
	ck_assert_uint_gt(refused, 0);
	ck_assert_uint_gt(repeated, 0);
}
END_TEST

/* Half, and half of that, but at least one. */
START_TEST(limits)
{
	static const unsigned int expected[][3] = {
		{1, 1, 1}, {2, 1, 1}, {4, 2, 1}, {24, 12, 6}, {256, 128, 64}};

	for (unsigned int i = 0; i < WIRE_NR(expected); i++) {
		shares_init(&shares, expected[i][0]);
		ck_assert_uint_eq(shares.most, expected[i][1]);
		ck_assert_uint_eq(shares.most_client, expected[i][2]);
	}
}
END_TEST

static unsigned int runners[NUMBERS], ran;

/* Runs a call, and those that it is given when it leaves. */
static void run_all(struct share_waiter *waiter, unsigned int n)
{
	struct share_client *share_client;

	for (; waiter; waiter = share_leave(&shares, share_client)) {
		require(__atomic_add_fetch(&runners[n], 1, __ATOMIC_SEQ_CST) <=
			MOST);
		share_client = waiter->client;
		free(waiter);
		__atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
		__atomic_sub_fetch(&runners[n], 1, __ATOMIC_SEQ_CST);
	}
}

static void *client(void *arg)
{
	unsigned int c = (unsigned int)(uintptr_t)arg % CLIENTS;
	uint64_t seed = (uintptr_t)arg + 1;

	for (unsigned int i = 0; i < TEST_ROUNDS(20000); i++) {
		struct share_waiter *waiter = calloc(1, sizeof(*waiter));
		unsigned int n = test_below(&seed, NUMBERS);
		int ret = share_enter(&shares, numbers[n], address(c), waiter,
				      MAY_WAIT, 0);

		require(ret >= 0);
		if (ret)
			run_all(waiter, n);
	}
	return NULL;
}

START_TEST(threads)
{
	pthread_t thread[24];

	for (uintptr_t i = 0; i < WIRE_NR(thread); i++)
		require(!pthread_create(&thread[i], NULL, client, (void *)i));
	for (unsigned int i = 0; i < WIRE_NR(thread); i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(ran, WIRE_NR(thread) * TEST_ROUNDS(20000));
	check();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share");
	TCase *tcase = tcase_create("share");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, limits);
	tcase_add_test(tcase, model);
	tcase_add_test(tcase, threads);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
