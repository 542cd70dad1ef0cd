/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: admission grants each receive as its header says.  When room appears it
 * names the next waiter in order and forgets none; what connections hold stays
 * within the limits; it moves no connection.
 * Method: a loop without a thread, and connections without sockets whose
 * streams claim to hold pages.  First each resource that a connection can wait
 * for.  Then a model of a loop: peers of some clients send records of random
 * sizes, are silent, find no pages, or close, until all that remain are served.
 * The states are checked after every step.  The seed is printed.
 */
#include <sys/eventfd.h>

#include "engine_util.h"
#include "rpcbuf/engine/engine_private.h"

#define CLIENTS	 3
#define CONNS	 16
#define LIMIT	 60u /* limit of pages of partial records */
#define OF_CONN	 48u
#define MAXPAGES 32u
#define LONG	 (256u << 10)

static struct rpcbuf *mm;
static struct rpcbuf_engine *engine;
static struct loop *loop;
static struct client *clients[CLIENTS];

static int watch(struct loop *of, struct rpcbuf_conn *conn)
{
	(void)of;
	conn->watched = true;
	return 0;
}

static void unwatch(struct loop *of, struct rpcbuf_conn *conn)
{
	(void)of;
	conn->watched = false;
}

static const struct backend backend = {.watch = watch, .unwatch = unwatch};

static void make_loop(void)
{
	loop->engine = engine;
	loop->backend = &backend;
	loop->kick_fd = eventfd(0, EFD_NONBLOCK);
	loop->now_ns = 1;
	list_init(&loop->fair.ready);
	conns_init(loop);
	admit_init_loop(&loop->admit, LONG);
	must(rpcbuf_rqst_create(&loop->rqst, mm, NULL, MAXPAGES) == 0);
}

static void setup(void)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	options.memory = 4 << 20;
	options.no_pressure = true;
	must(rpcbuf_create(&mm, &options) == 0);
	engine = calloc(1, sizeof(*engine));
	engine->mm = mm;
	engine->nr_loops = 1;
	loop = engine->loops = aligned_alloc(64, sizeof(*loop));
	memset(loop, 0, sizeof(*loop));
	clients_init(&engine->clients);
	admit_init(&engine->admit, LIMIT, OF_CONN, 0);
	make_loop();
	/* Connections that the process opened are one client; the others are
	 * made like it. */
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = client_get(engine, -1, true);
		memset(clients[i]->key, i, CLIENT_KEY);
	}
}

static void teardown(void)
{
	for (int i = 0; i < CLIENTS; i++)
		client_put(engine, clients[i]);
	rpcbuf_rqst_destroy(loop->rqst);
	close(loop->kick_fd);
	admit_exit(&engine->admit);
	free(loop);
	free(engine);
	must(rpcbuf_destroy(mm) == 0);
}

static void check(void)
{
	const char *wrong = loop_is_valid(loop);

	for (int i = 0; i < CLIENTS && !wrong; i++)
		wrong = client_is_valid(engine, clients[i]);
	ck_assert_msg(!wrong, "%s", wrong);
}

static struct rpcbuf_conn *new_conn(int client)
{
	struct rpcbuf_conn *conn =
		conn_create(loop, clients[client], -1, NULL, false);

	clients[client]->nr_conns++;
	list_add_tail(&conn->member.link, &loop->conns.all);
	fair_join(conn);
	must(!reception_move(conn, RECEPTION_WATCHED, FOR_NOTHING));
	reception_move(conn, RECEPTION_READY, FOR_NOTHING);
	return conn;
}

/* Sets the number of pages that its stream holds. */
static void hold(struct rpcbuf_conn *conn, uint32_t pages)
{
	conn->intake.stream.nr_pages = pages;
	conn->intake.stream.filled = pages * RPCBUF_PAGE_SIZE;
	admit_count(conn);
}

static void free_conn(struct rpcbuf_conn *conn)
{
	hold(conn, 0);
	conn->flight.awaits = AWAITS_LAST;
	reception_move(conn, RECEPTION_ENDING, FOR_NOTHING);
	reception_move(conn, RECEPTION_CLOSED, FOR_NOTHING);
	list_del(&conn->member.link);
	fair_leave(conn);
	conn->part->client->nr_conns--;
	if (conn->member.posted) {
		list_del(&conn->member.post_link);
		rpcbuf_conn_put(conn);
	}
	rpcbuf_conn_put(conn);
	rpcbuf_conn_put(conn);
}

/* Asks admission, and does what the loop does with the answer. */
static size_t ask(struct rpcbuf_conn *conn, uint32_t record)
{
	enum reception_state state = conn->reception.state;
	enum parked_for what = NR_PARKED_FOR;
	size_t most = admit_ask(conn, record, &what);

	ck_assert_int_eq(conn->reception.state, state);
	ck_assert(!most == (what != FOR_NOTHING));
	if (!most)
		reception_move(conn, RECEPTION_PARKED, what);
	else
		admit_given(conn);
	check();
	return most;
}

static void must_wait(struct rpcbuf_conn *conn, uint32_t record,
		      enum parked_for what)
{
	ck_assert_uint_eq(ask(conn, record), 0);
	ck_assert_msg(conn->reception.parked_for == what, "for %s, not %s",
		      parked_for_name(conn->reception.parked_for),
		      parked_for_name(what));
}

static struct rpcbuf_conn *next_posted(void)
{
	struct rpcbuf_conn *conn;

	if (list_empty(&loop->conns.posted))
		return NULL;
	conn = list_first_entry(&loop->conns.posted, struct rpcbuf_conn,
				member.post_link);
	list_del(&conn->member.post_link);
	conn->member.posted = false;
	rpcbuf_conn_put(conn);
	return conn;
}

/* One client may hold half of the limit, two a third each. */
START_TEST(shares)
{
	struct rpcbuf_conn *a = new_conn(0), *b = new_conn(1);

	ck_assert_uint_eq(ask(a, 0), LIMIT / 2 * RPCBUF_PAGE_SIZE);
	hold(a, LIMIT / 2);
	ck_assert_uint_eq(ask(b, 0), LIMIT / 4 * RPCBUF_PAGE_SIZE);
	hold(a, LIMIT / 3);
	hold(b, LIMIT / 3 - 1);
	ck_assert_uint_eq(ask(b, 0), RPCBUF_PAGE_SIZE);
	/* A connection without pages may always receive one page. */
	hold(b, LIMIT);
	hold(a, 0);
	ck_assert_uint_eq(ask(a, 0), RPCBUF_PAGE_SIZE);
	free_conn(a);
	free_conn(b);
}
END_TEST

static bool is_over_quota(const struct rpcbuf_conn *conn)
{
	return admit_over_quota(&engine->admit, &conn->admit);
}

/* It gives up the grant, and @next is posted, not moved; @next has the grant
 * then. */
static void pass_grant(struct rpcbuf_conn *from, struct rpcbuf_conn *next)
{
	hold(from, 0);
	admit_done(from);
	ck_assert(!is_over_quota(from));
	ck_assert_ptr_eq(next_posted(), next);
	ck_assert_ptr_null(next_posted());
	ck_assert_int_eq(next->reception.state, RECEPTION_PARKED);
	reception_move(next, RECEPTION_READY, FOR_NOTHING);
	ck_assert_uint_gt(ask(next, 0), 0);
	ck_assert(is_over_quota(next));
}

/* Above their quotas one connection at a time continues, clients in turn. */
START_TEST(over_quota)
{
	struct rpcbuf_conn *first = new_conn(0), *second = new_conn(0),
			   *third = new_conn(0), *other = new_conn(1),
			   *all = new_conn(2);

	hold(all, 3 * LIMIT);
	hold(first, 1);
	hold(second, 1);
	hold(third, 1);
	hold(other, 1);
	ck_assert_uint_gt(ask(first, 0), 0);
	ck_assert(is_over_quota(first));
	must_wait(second, 0, FOR_QUOTA);
	ck_assert(!admit_wanted(first));
	must_wait(other, 0, FOR_QUOTA);
	ck_assert(admit_wanted(first));
	must_wait(third, 0, FOR_QUOTA);
	ck_assert_ptr_null(next_posted());
	pass_grant(first, second);
	/* Connections of the first client waited as long, but that client had
	 * the grant. */
	pass_grant(second, other);
	pass_grant(other, third);
	free_conn(first);
	free_conn(second);
	free_conn(third);
	free_conn(other);
	free_conn(all);
}
END_TEST

/* A waiter without pages keeps its place when its page array is released. */
START_TEST(place_without_pages)
{
	struct rpcbuf_conn *holder = new_conn(0), *conn = new_conn(1);

	engine->heap.limit = UINT64_MAX;
	engine->nr_slots = OF_CONN;
	hold(holder, 3 * LIMIT);
	ck_assert_uint_gt(ask(holder, 0), 0);
	must(intake_open(conn));
	must_wait(conn, 0, FOR_QUOTA);
	intake_idle(conn);
	check();
	hold(holder, 0);
	admit_done(holder);
	ck_assert_ptr_eq(next_posted(), conn);
	free_conn(holder);
	free_conn(conn);
	heap_close_loop(loop);
}
END_TEST

/* Long records wait at the gate, short ones do not; the gate names the next
 * one. */
START_TEST(long_records)
{
	struct rpcbuf_conn *in = new_conn(0), *waits = new_conn(0),
			   *small = new_conn(0), *more = new_conn(0);

	ck_assert_uint_gt(ask(in, LONG), 0);
	must_wait(waits, ADMIT_LONG_RECORD, FOR_GATE);
	must_wait(more, LONG, FOR_GATE);
	ck_assert_uint_gt(ask(small, ADMIT_LONG_RECORD - 1), 0);
	ck_assert_ptr_null(admit_next(loop));
	ck_assert(admit_must_poll(loop));
	admit_done(in);
	ck_assert_ptr_eq(admit_next(loop), waits);
	ck_assert_int_eq(waits->reception.state, RECEPTION_PARKED);
	reception_move(waits, RECEPTION_READY, FOR_NOTHING);
	ck_assert_uint_gt(ask(waits, LONG), 0);
	/* Two fit: one record may exceed the limit. */
	ck_assert_ptr_eq(admit_next(loop), more);
	reception_move(more, RECEPTION_READY, FOR_NOTHING);
	ck_assert(!admit_must_poll(loop));
	free_conn(in);
	free_conn(waits);
	free_conn(small);
	free_conn(more);
}
END_TEST

/* A waiter that does something else in between must ask again. */
START_TEST(forgone)
{
	struct rpcbuf_conn *in = new_conn(0), *goes = new_conn(0),
			   *waits = new_conn(0);

	ck_assert_uint_gt(ask(in, LONG), 0);
	must_wait(goes, LONG, FOR_GATE);
	must_wait(waits, LONG, FOR_GATE);
	admit_forgo(goes);
	ck_assert_int_eq(goes->admit.gate_entry.state, GATE_NONE);
	reception_move(goes, RECEPTION_READY, FOR_NOTHING);
	check();
	admit_done(in);
	ck_assert_ptr_eq(admit_next(loop), waits);
	reception_move(waits, RECEPTION_READY, FOR_NOTHING);
	/* A connection that does not wait gives up nothing. */
	admit_forgo(waits);
	ck_assert_uint_gt(ask(waits, LONG), 0);
	free_conn(in);
	free_conn(goes);
	free_conn(waits);
}
END_TEST

/* An admitted record is removed in time while it waits for anything, its peer
 * or the engine. */
START_TEST(slow_long_records)
{
	static const enum parked_for reasons[] = {FOR_NOTHING, FOR_PAGES,
						 FOR_UNSENT, FOR_CALLS};
	struct rpcbuf_conn *in = new_conn(0), *next = new_conn(0);

	ck_assert_uint_gt(ask(in, LONG), 0);
	hold(in, 1);
	in->flight.awaits = AWAITS_FEWER;
	if (reasons[_i] == FOR_PAGES)
		admit_lacks(in, FOR_PAGES);
	if (reasons[_i] == FOR_NOTHING)
		must(!reception_move(in, RECEPTION_WATCHED, FOR_NOTHING));
	else
		reception_move(in, RECEPTION_PARKED, reasons[_i]);
	must(!gate_enter(&loop->admit.gate, &next->admit.gate_entry, LONG));
	loop->now_ns = in->admit.gate_entry.idle_ns;
	ck_assert_ptr_null(admit_next(loop));
	loop->now_ns += GATE_IDLE_NS;
	ck_assert_ptr_eq(admit_next(loop), next);
	free_conn(in);
	free_conn(next);
}
END_TEST

/* Admission does not look for pages for a queued waiter before the queue
 * notifies it. */
START_TEST(notified_of_pages)
{
	struct rpcbuf_conn *conn = new_conn(0);
	static void *hoard[1024];
	unsigned int nr = rpcbuf_alloc_bulk_array(mm, 0, 1024, hoard);

	ck_assert_uint_gt(ask(conn, 0), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(loop->rqst), -EAGAIN);
	admit_lacks(conn, FOR_PAGES);
	reception_move(conn, RECEPTION_PARKED, FOR_PAGES);
	ck_assert_ptr_null(admit_next_grantee(loop));
	ck_assert(admit_must_poll(loop));
	check();
	rpcbuf_free_bulk_array(mm, nr, hoard);
	ck_assert_ptr_eq(admit_next_grantee(loop), conn);
	reception_move(conn, RECEPTION_READY, FOR_NOTHING);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(loop->rqst), 0);
	rpcbuf_rqst_release(loop->rqst);
	free_conn(conn);
}
END_TEST

/* While there are no pages, or no heap, one connection looks for them and
 * others wait; connections that need no heap continue. */
START_TEST(shortage)
{
	struct rpcbuf_conn *first = new_conn(0), *second = new_conn(1);
	enum parked_for what = _i ? FOR_HEAP : FOR_PAGES;

	ck_assert_ptr_null(admit_next_grantee(loop));
	ck_assert_uint_gt(ask(first, 0), 0);
	admit_lacks(first, what);
	/* It looks now. */
	ck_assert_ptr_null(admit_next_grantee(loop));
	reception_move(first, RECEPTION_PARKED, what);
	check();
	ck_assert_ptr_eq(admit_next_grantee(loop), first);
	ck_assert(admit_must_poll(loop));
	if (what == FOR_HEAP) {
		ck_assert_uint_gt(ask(second, 0), 0);
		ck_assert(!admit_heap(second));
		admit_lacks(second, what);
		reception_move(second, RECEPTION_PARKED, what);
		check();
	} else {
		must_wait(second, 0, what);
	}
	ck_assert_ptr_eq(admit_next_grantee(loop), first);
	ck_assert_ptr_null(next_posted());
	reception_move(first, RECEPTION_READY, FOR_NOTHING);
	ck_assert_uint_gt(ask(first, 0), 0);
	ck_assert_ptr_null(admit_next_grantee(loop));
	ck_assert(!admit_must_poll(loop));
	ck_assert_ptr_eq(next_posted(), second);
	reception_move(second, RECEPTION_READY, FOR_NOTHING);
	ck_assert_uint_gt(ask(second, 0), 0);
	free_conn(first);
	free_conn(second);
}
END_TEST

/* Replies to outgoing calls wait for pages only. */
START_TEST(outgoing)
{
	struct rpcbuf_conn *conn = new_conn(0), *all = new_conn(1);

	conn->outgoing = true;
	hold(all, 3 * LIMIT);
	loop->admit.gate.used = 2 * LONG;
	hold(conn, 2 * OF_CONN);
	ck_assert_uint_eq(ask(conn, LONG), SIZE_MAX);
	ck_assert(!admit_wants_length(conn));
	loop->admit.gate.used = 0;
	free_conn(conn);
	free_conn(all);
}
END_TEST

/* Pages of such replies are counted, but in no client's quota. */
START_TEST(outgoing_hold)
{
	struct rpcbuf_conn *conn = new_conn(0), *other = new_conn(1);

	conn->outgoing = true;
	hold(conn, 3 * LIMIT);
	ck_assert_uint_eq(loop->admit.quota.partial, 3 * LIMIT);
	ck_assert_uint_eq(ask(other, 0), LIMIT / 2 * RPCBUF_PAGE_SIZE);
	hold(other, LIMIT / 2);
	hold(conn, 1);
	ck_assert_uint_eq(loop->admit.quota.partial, LIMIT / 2 + 1);
	ck_assert_uint_eq(seen(engine->admit.quota.partial), LIMIT / 2);
	free_conn(conn);
	free_conn(other);
	ck_assert_uint_eq(seen(engine->admit.quota.partial), 0);
}
END_TEST

static unsigned int closed;

static void on_refused(void *data, enum rpcbuf_close_reason reason)
{
	(void)data;
	ck_assert_int_eq(reason, RPCBUF_CLOSE_REFUSED);
	closed++;
}

/* A second passes, in which the peer of @conn sends enough or not. */
static void second_of(struct rpcbuf_conn *conn, bool brings)
{
	loop->now_ns += OS_SECOND_NS;
	if (brings)
		conn->times.slow_ns = loop->now_ns;
	conn_check_times(conn);
}

/* A holder of the grant that makes progress is not closed, however long it
 * takes, and whether its own client or others wait.  One without progress is
 * closed in the end. */
START_TEST(progress_over_quota)
{
	struct rpcbuf_conn *slow = new_conn(0), *waits = new_conn(_i),
			   *all = new_conn(2);

	engine->handlers.closed = on_refused;
	closed = 0;
	hold(all, 3 * LIMIT);
	hold(slow, 1);
	hold(waits, 1);
	slow->times.record_ns = loop->now_ns;
	ck_assert_uint_gt(ask(slow, 0), 0);
	must_wait(waits, 0, FOR_QUOTA);
	must(!reception_move(slow, RECEPTION_WATCHED, FOR_NOTHING));
	/* It keeps too many pages for the grant to go to others. */
	admit_yield(slow);
	ck_assert(is_over_quota(slow));
	for (int i = 0; i < 60; i++)
		second_of(slow, true);
	ck_assert_uint_eq(closed, 0);
	/* TCP may have to retransmit. */
	for (int i = 0; i < 3; i++)
		second_of(slow, false);
	ck_assert_uint_eq(closed, 0);
	second_of(slow, false);
	ck_assert_uint_eq(closed, 1);
	ck_assert_ptr_eq(next_posted(), waits);
	ck_assert_uint_eq(loop->stats.refused_timeout, 1);
	rpcbuf_conn_put(slow);
	free_conn(waits);
	free_conn(all);
}
END_TEST

/* A peer of the model. */
struct sender {
	struct rpcbuf_conn *conn;
	uint32_t size;	   /* of its record, in pages */
	unsigned int left; /* records */
};

static struct sender senders[CONNS];
static unsigned int living; /* first of the model */
static uint32_t free_pages;

static uint32_t all_partial(void)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < living; i++)
		sum += senders[i].conn->intake.stream.nr_pages;
	return sum;
}

static void finish_record(struct sender *s, uint64_t *seed)
{
	free_pages += s->size;
	hold(s->conn, 0);
	admit_done(s->conn);
	s->size = 1 + test_below(seed, OF_CONN);
	s->left--;
	if (s->left)
		return;
	free_conn(s->conn);
	s->conn = NULL;
}

/* It was admitted @most bytes: receives some of them. */
static void take(struct sender *s, size_t most, uint64_t *seed)
{
	struct rpcbuf_conn *conn = s->conn;
	uint32_t has = conn->intake.stream.nr_pages, n;

	if (!free_pages) {
		admit_lacks(conn, FOR_PAGES);
		reception_move(conn, RECEPTION_PARKED, FOR_PAGES);
		return;
	}
	admit_given(conn);
	most = rpcbuf_max(most / RPCBUF_PAGE_SIZE, (size_t)1);
	n = (uint32_t)rpcbuf_min(most, (size_t)(s->size - has));
	n = 1 + test_below(seed, rpcbuf_min(n, free_pages));
	free_pages -= n;
	admit_woken(&conn->admit);
	hold(conn, has + n);
	reception_move(conn, RECEPTION_READY, FOR_NOTHING);
	if (has + n == s->size)
		finish_record(s, seed);
}

static void step(struct sender *s, uint64_t *seed)
{
	struct rpcbuf_conn *conn = s->conn;
	uint32_t left = s->size - conn->intake.stream.nr_pages;
	enum parked_for what;
	size_t most;

	if (test_below(seed, 8) == 0) {
		must(!reception_move(conn, RECEPTION_WATCHED, FOR_NOTHING));
		admit_yield(conn);
		return;
	}
	most = admit_ask(conn, left * (uint32_t)RPCBUF_PAGE_SIZE, &what);
	if (most)
		take(s, most, seed);
	else
		reception_move(conn, RECEPTION_PARKED, what);
}

/* What the loop does between two steps. */
static void look_around(uint64_t *seed)
{
	struct rpcbuf_conn *conn;

	while ((conn = admit_next(loop)))
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
	while ((conn = next_posted())) {
		if (parked_for_memory(conn->reception.parked_for))
			reception_move(conn, RECEPTION_READY, FOR_NOTHING);
		else if (conn->reception.state == RECEPTION_WATCHED)
			admit_yield(conn);
	}
	conn = admit_next_grantee(loop);
	if (conn)
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
	for (unsigned int i = 0; i < living; i++) {
		conn = senders[i].conn;
		if (conn->reception.state == RECEPTION_WATCHED &&
		    test_below(seed, 4) == 0) {
			admit_woken(&conn->admit);
			reception_move(conn, RECEPTION_READY, FOR_NOTHING);
		}
	}
}

/* Its peer has closed, in any state. */
static void hang_up(struct sender *s)
{
	free_pages += s->conn->intake.stream.nr_pages;
	free_conn(s->conn);
	s->conn = NULL;
}

START_TEST(model)
{
	uint64_t seed = test_seed() + (uint64_t)_i;
	unsigned int steps = 0;

	/* Too few pages for all, and for what admission lets them hold. */
	free_pages = _i % 2 ? LIMIT : 4 * LIMIT;
	for (living = 0; living < CONNS; living++)
		senders[living] = (struct sender){
			.conn = new_conn((int)test_below(&seed, CLIENTS)),
			.size = 1 + test_below(&seed, OF_CONN),
			.left = 5,
		};
	while (living) {
		struct sender *s = &senders[test_below(&seed, living)];

		must(steps++ < 200000); /* no waiter is forgotten */
		loop->now_ns += 100000;
		if (s->conn->reception.state == RECEPTION_READY)
			step(s, &seed);
		else if (test_below(&seed, 2000) == 0)
			hang_up(s);
		if (!s->conn)
			*s = senders[--living];
		look_around(&seed);
		check();
		ck_assert_uint_eq(all_partial(), loop->admit.quota.partial);
		ck_assert_uint_le(all_partial(),
				  2 * LIMIT + MAXPAGES + 2 * OF_CONN);
	}
	ck_assert(!admit_must_poll(loop));
	ck_assert_uint_eq(loop->admit.gate.used, 0);
	ck_assert(!grant_queue_busy(&engine->admit.quota.over_quota_grants));
	ck_assert(!grant_queue_busy(&engine->admit.shortage.page_grants));
	ck_assert(!grant_queue_busy(&engine->admit.shortage.heap_grants));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("admit");
	TCase *tcase = tcase_create("admit");

	tcase_set_timeout(tcase, GUARD_S);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, shares);
	tcase_add_test(tcase, over_quota);
	tcase_add_test(tcase, place_without_pages);
	tcase_add_test(tcase, long_records);
	tcase_add_test(tcase, forgone);
	tcase_add_loop_test(tcase, slow_long_records, 0, 4);
	tcase_add_test(tcase, notified_of_pages);
	tcase_add_loop_test(tcase, shortage, 0, 2);
	tcase_add_test(tcase, outgoing);
	tcase_add_test(tcase, outgoing_hold);
	tcase_add_loop_test(tcase, progress_over_quota, 0, 2);
	tcase_add_loop_test(tcase, model, 0, 4);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
