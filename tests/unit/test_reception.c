/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the reception of a connection moves only as the state chart allows, and
 * has in each state the resources of that state: a list, the watch of the back
 * end, grants.
 * Method: the chart and the resources of each state are written here once more.
 * A connection without a socket, of a loop without a thread, makes each legal
 * move for each reason to wait, with grants and without; each other move aborts
 * a child.  reception.c is compiled into this program with its assertions.
 */
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "engine_util.h"
#include "reply_util.h"
#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* Rows: from; columns: to. */
static const char *const moves[NR_RECEPTION_STATES] = {
	/*		      adopted
	 *		      |watched
	 *		      ||ready
	 *		      |||waiting
	 *		      ||||ending
	 *		      |||||closed */
	[RECEPTION_ADOPTED] = ".w..e.",
	[RECEPTION_WATCHED] = ".wr.e.",
	[RECEPTION_READY] =   ".wrWe.",
	[RECEPTION_PARKED] = "..r.e.",
	[RECEPTION_ENDING] =  "....ec",
	[RECEPTION_CLOSED] =  "......",
};

static struct rpcbuf_engine *engine;
static struct loop *loop;
static struct client *client;
static struct rpcbuf_conn *conn;
static int watch_error;

static int watch(struct loop *of, struct rpcbuf_conn *it)
{
	must(of == loop);
	it->watched = !watch_error;
	return watch_error;
}

static void unwatch(struct loop *of, struct rpcbuf_conn *it)
{
	must(of == loop);
	it->watched = false;
}

static const struct backend backend = {.watch = watch, .unwatch = unwatch};

static void make_loop(void)
{
	loop->engine = engine;
	loop->backend = &backend;
	loop->kick_fd = eventfd(0, EFD_NONBLOCK);
	list_init(&loop->fair.ready);
	conns_init(loop);
	admit_init_loop(&loop->admit, 1);
}

static void setup(void)
{
	watch_error = 0;
	engine = calloc(1, sizeof(*engine));
	engine->nr_loops = 1;
	loop = engine->loops = aligned_alloc(64, sizeof(*loop));
	memset(loop, 0, sizeof(*loop));
	clients_init(&engine->clients);
	admit_init(&engine->admit, 1, 1, 0);
	make_loop();
	client = client_get(engine, -1, true);
}

static void teardown(void)
{
	client_put(engine, client);
	close(loop->kick_fd);
	free(loop);
	free(engine);
}

static struct rpcbuf_conn *new_conn(void)
{
	struct rpcbuf_conn *new = conn_create(loop, client, -1, NULL, true);

	list_add_tail(&new->member.link, &loop->conns.all);
	fair_join(new);
	return new;
}

static void free_conn(struct rpcbuf_conn *old)
{
	old->flight.awaits = AWAITS_LAST;
	if (old->reception.state < RECEPTION_ENDING)
		reception_move(old, RECEPTION_ENDING, FOR_NOTHING);
	if (old->reception.state < RECEPTION_CLOSED)
		reception_move(old, RECEPTION_CLOSED, FOR_NOTHING);
	list_del(&old->member.link);
	fair_leave(old);
	rpcbuf_conn_put(old);
	rpcbuf_conn_put(old);
}

/* What the engine does around a move, so that the state is complete. */
static void prepare(enum reception_state to, enum parked_for what)
{
	if (what == FOR_GATE) {
		loop->admit.gate.used = loop->admit.gate.limit * 2;
		must(!gate_enter(&loop->admit.gate, &conn->admit.gate_entry, 1));
	}
	if (what == FOR_CALLS)
		conn->flight.awaits = AWAITS_FEWER;
	if (to == RECEPTION_ENDING)
		conn->flight.awaits = AWAITS_LAST;
	if (conn->reception.parked_for == FOR_GATE && to == RECEPTION_READY) {
		loop->admit.gate.used = 0;
		must(gate_next(&loop->admit.gate, 0) == &conn->admit.gate_entry);
	}
}

static void move(enum reception_state to, enum parked_for what)
{
	prepare(to, what);
	ck_assert_int_eq(reception_move(conn, to, what), 0);
	if (conn->admit.gate_entry.state == GATE_INSIDE)
		gate_leave(&loop->admit.gate, &conn->admit.gate_entry);
	loop->admit.gate.used = 0;
}

/* Moves a new connection to @state on a legal path. */
static void come_to(enum reception_state state, enum parked_for what)
{
	conn = new_conn();
	if (state == RECEPTION_ADOPTED)
		return;
	if (state >= RECEPTION_ENDING) {
		move(RECEPTION_ENDING, FOR_NOTHING);
		if (state == RECEPTION_CLOSED)
			move(state, FOR_NOTHING);
		return;
	}
	move(RECEPTION_WATCHED, FOR_NOTHING);
	if (state != RECEPTION_WATCHED)
		move(RECEPTION_READY, FOR_NOTHING);
	if (state == RECEPTION_PARKED)
		move(state, what);
}

static void drop_reference(void *data, enum rpcbuf_close_reason reason)
{
	(void)data;
	ck_assert_int_eq(reason, RPCBUF_CLOSE_ERROR);
	ck_assert_uint_eq(conn->reception.state, RECEPTION_CLOSED);
	rpcbuf_conn_put(conn);
	conn = NULL;
}

/* A connection of a client, which is freed when it is closed. */
static void client_conn(void)
{
	engine->flight.limit = 1;
	engine->handlers.closed = drop_reference;
	must(client_get(engine, -1, true) == client);
	conn->outgoing = false;
	watch_error = -ENOSPC;
}

static bool is_on(const struct list_head *list)
{
	return list->next == &conn->reception.link &&
	       list->prev == &conn->reception.link;
}

/* True when @conn has exactly the resources of @state. */
static void check(enum reception_state state, enum parked_for what)
{
	bool ready = state == RECEPTION_READY;
	const char *wrong;

	ck_assert_uint_eq(conn->reception.state, state);
	ck_assert_uint_eq(conn->reception.parked_for, what);
	ck_assert(is_on(&conn->part->fair.ready) == ready);
	ck_assert(list_empty(&loop->fair.ready) == !ready);
	if (state == RECEPTION_WATCHED || !ready)
		ck_assert(conn->watched == (state == RECEPTION_WATCHED));
	wrong = reception_is_valid(conn);
	ck_assert_msg(!wrong, "%s", wrong);
	if (state == RECEPTION_CLOSED)
		return;
	wrong = loop_is_valid(loop);
	ck_assert_msg(!wrong, "%s", wrong);
}

/* All reasons to wait: first and last. */
static enum parked_for first_wait(enum reception_state state)
{
	return state == RECEPTION_PARKED ? FOR_QUOTA : FOR_NOTHING;
}

static enum parked_for last_wait(enum reception_state state)
{
	return state == RECEPTION_PARKED ? FOR_UNSENT : FOR_NOTHING;
}

START_TEST(chart)
{
	for (int from = 0; from < NR_RECEPTION_STATES; from++)
		for (int to = 0; to < NR_RECEPTION_STATES; to++)
			ck_assert_msg(reception_may_move(from, to) ==
					      (moves[from][to] != '.'),
				      "from %s to %s", reception_name(from),
				      reception_name(to));
}
END_TEST

static void take(enum reception_state from, enum parked_for was,
		 enum reception_state to, enum parked_for what)
{
	come_to(from, was);
	check(from, was);
	move(to, what);
	check(to, what);
	free_conn(conn);
}

/* _i: from. */
START_TEST(legal_moves)
{
	enum parked_for was, what;

	for (int to = 0; to < NR_RECEPTION_STATES; to++) {
		if (moves[_i][to] == '.')
			continue;
		for (was = first_wait(_i); was <= last_wait(_i); was++)
			for (what = first_wait(to); what <= last_wait(to);
			     what++)
				take(_i, was, to, what);
	}
}
END_TEST

/* A child in which @conn moves to @to must abort, with @sentence. */
static void must_abort(enum reception_state to, enum parked_for what,
		       const char *sentence)
{
	char said[512];
	size_t len = 0;
	int fds[2], status;
	ssize_t n;
	pid_t child;

	must(pipe(fds) == 0);
	child = fork();
	must(child >= 0);
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		reception_move(conn, to, what);
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(fds[0]);
	must(waitpid(child, &status, 0) == child);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
		      "%s: went unnoticed", sentence);
	ck_assert_msg(strstr(said, sentence), "'%s', not '%s'", said, sentence);
}

/* _i: from. */
START_TEST(illegal_moves)
{
	char sentence[128];

	come_to(_i, first_wait(_i));
	for (int to = 0; to < NR_RECEPTION_STATES; to++) {
		if (moves[_i][to] != '.')
			continue;
		snprintf(sentence, sizeof(sentence),
			 "a connection cannot move from %s to %s",
			 reception_name(_i), reception_name(to));
		must_abort(to, first_wait(to), sentence);
	}
	free_conn(conn);
}
END_TEST

/* A parked connection has a reason, and no other has one. */
START_TEST(illegal_waits)
{
	come_to(RECEPTION_READY, FOR_NOTHING);
	must_abort(RECEPTION_PARKED, FOR_NOTHING,
		   "a connection cannot be parked for nothing");
	must_abort(RECEPTION_WATCHED, FOR_PAGES,
		   "a connection cannot be watched for pages");
	must_abort(RECEPTION_READY, FOR_UNSENT,
		   "a connection cannot be ready for its peer to read");
	free_conn(conn);
}
END_TEST

/* A move after which a state lacks a resource is detected as well. */
START_TEST(half_a_move)
{
	come_to(RECEPTION_READY, FOR_NOTHING);
	must_abort(RECEPTION_PARKED, FOR_GATE, "it and the gate differ");
	must_abort(RECEPTION_PARKED, FOR_CALLS, "no completing call");
	must_abort(RECEPTION_ENDING, FOR_NOTHING, "its last call");
	move(RECEPTION_ENDING, FOR_NOTHING);
	conn->flight.nr = 1;
	must_abort(RECEPTION_CLOSED, FOR_NOTHING, "a call is in flight");
	/* But when the time for a stop is over. */
	engine->stopping = true;
	move(RECEPTION_CLOSED, FOR_NOTHING);
	conn->flight.nr = 0;
	free_conn(conn);
}
END_TEST

/* @conn, which holds the grant or waits for it, moves from ready. */
static void move_with_grant(enum reception_state to, enum parked_for what,
			   bool quota, bool held, bool keeps)
{
	struct grant_queue *grants = quota ? &engine->admit.quota.over_quota_grants
				    : &engine->admit.shortage.page_grants;
	struct rpcbuf_conn *other = new_conn();
	struct grant_request *request;

	come_to(RECEPTION_READY, FOR_NOTHING);
	request = quota ? &conn->admit.quota.over_quota_grant : &conn->admit.page_grant;
	if (!held)
		must(grant_request(grants, quota ? &other->admit.quota.over_quota_grant
					   : &other->admit.page_grant));
	must(grant_request(grants, request) == held);
	move(to, what);
	ck_assert_msg(grant_requested(grants, request) == keeps,
		      "%s, %s: the grant for %s, %s", reception_name(to),
		      parked_for_name(what), quota ? "quota" : "pages",
		      held ? "held" : "waited for");
	free_conn(conn);
	free_conn(other);
}

/* Which states keep the over-quota grant, held or waited for, and the grant for
 * pages. */
START_TEST(grants)
{
	static const struct {
		enum reception_state to;
		enum parked_for what;
		bool quota_held, quota_waited, pages;
	} cases[] = {
		{RECEPTION_WATCHED, FOR_NOTHING, true, false, false},
		{RECEPTION_READY, FOR_NOTHING, true, true, true},
		{RECEPTION_PARKED, FOR_QUOTA, true, true, false},
		{RECEPTION_PARKED, FOR_PAGES, true, true, true},
		{RECEPTION_PARKED, FOR_HEAP, true, true, false},
		{RECEPTION_ENDING, FOR_NOTHING, false, false, false},
	};

	for (unsigned int i = 0; i < WIRE_NR(cases); i++) {
		enum reception_state to = cases[i].to;
		enum parked_for what = cases[i].what;

		move_with_grant(to, what, true, true, cases[i].quota_held);
		move_with_grant(to, what, true, false, cases[i].quota_waited);
		move_with_grant(to, what, false, true, cases[i].pages);
		move_with_grant(to, what, false, false, cases[i].pages);
	}
	for (int what = FOR_GATE; what <= FOR_UNSENT; what++) {
		move_with_grant(RECEPTION_PARKED, what, true, false, false);
		move_with_grant(RECEPTION_PARKED, what, false, true, false);
		move_with_grant(RECEPTION_PARKED, what, false, false, false);
	}
}
END_TEST

/* It stays watched while it is ready, and not when it is parked. */
START_TEST(watching)
{
	come_to(RECEPTION_READY, FOR_NOTHING);
	ck_assert(conn->watched);
	move(RECEPTION_PARKED, FOR_QUOTA);
	ck_assert(!conn->watched);
	move(RECEPTION_READY, FOR_NOTHING);
	ck_assert(!conn->watched);
	watch_error = -ENOSPC;
	ck_assert_int_eq(reception_move(conn, RECEPTION_WATCHED, FOR_NOTHING),
			 -ENOSPC);
	move(RECEPTION_ENDING, FOR_NOTHING);
	check(RECEPTION_ENDING, FOR_NOTHING);
	free_conn(conn);
}
END_TEST

/* A connection that can no longer be watched is closed and not used again: the
 * address sanitizer checks that.  After a step; and when it was not watched
 * before, at its first. */
START_TEST(cannot_be_watched)
{
	come_to(RECEPTION_READY, FOR_NOTHING);
	client_conn();
	ck_assert(loop_step(loop, conn));
	ck_assert_ptr_null(conn);
	come_to(RECEPTION_ADOPTED, FOR_NOTHING);
	client_conn();
	conn->succession.waits = true;
	loop->now_ns = UINT64_MAX;
	conn_check_times(conn);
	ck_assert_ptr_null(conn);
	ck_assert(list_empty(&loop->conns.all));
}
END_TEST

static unsigned int outs_watched;

static int watch_out(struct loop *of, struct rpcbuf_conn *it)
{
	must(of == loop && it == conn);
	outs_watched++;
	return -ENOSPC;
}

static void unwatch_out(struct loop *of, struct rpcbuf_conn *it)
{
	must(of == loop && it == conn);
}

/* A full socket that the back end cannot watch: no thread would continue, so
 * unsent replies are dropped and the owner is posted, once. */
START_TEST(cannot_be_watched_for_sending)
{
	static const struct backend cannot = {
		.watch = watch,
		.unwatch = unwatch,
		.watch_out = watch_out,
		.unwatch_out = unwatch_out,
	};
	struct shape shape = {100, 4096, 1 << 20, 4096};
	struct rpcbuf *mm = test_create(64);
	int fds[2];

	lend();
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	come_to(RECEPTION_READY, FOR_NOTHING);
	loop->backend = &cannot;
	conn->sending.out.fd = fds[0];
	must(!rpcbuf_conn_send(conn, reply_make(mm, 0, &shape)));
	ck_assert_int_eq(out_state(&conn->sending.out), OUT_BLOCKED);
	ck_assert(!conn->gone);
	for (int i = 0; i < 3; i++)
		sending_update_watch(conn);
	ck_assert_uint_eq(outs_watched, 1);
	ck_assert(conn->gone && sending_done(conn) && all_returned());
	/* The loop closes it. */
	ck_assert_ptr_eq(conns_next_posted(loop), conn);
	rpcbuf_conn_put(conn);
	free_conn(conn);
	close(fds[0]);
	close(fds[1]);
	test_destroy(mm);
}
END_TEST

/* A connection that becomes ready again moves behind the others of its
 * client. */
START_TEST(round_robin)
{
	struct rpcbuf_conn *first, *second;

	come_to(RECEPTION_READY, FOR_NOTHING);
	first = conn;
	come_to(RECEPTION_READY, FOR_NOTHING);
	second = conn;
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_eq(fair_next(loop, os_now), first);
		reception_move(first, RECEPTION_READY, FOR_NOTHING);
		ck_assert_ptr_eq(fair_next(loop, os_now), second);
		reception_move(second, RECEPTION_READY, FOR_NOTHING);
	}
	free_conn(first);
	free_conn(second);
}
END_TEST

static void must_find(const char *sentence)
{
	const char *wrong = loop_is_valid(loop);

	ck_assert_msg(wrong && strstr(wrong, sentence), "'%s', not '%s'",
		      wrong ? wrong : "nothing", sentence);
}

/* The check finds every resource of another state. */
START_TEST(damage)
{
	struct list_head elsewhere;

	come_to(RECEPTION_READY, FOR_NOTHING);
	conn->reception.parked_for = FOR_PAGES;
	must_find("state and reason");
	conn->reception.parked_for = FOR_NOTHING;
	conn->reception.state = RECEPTION_WATCHED;
	must_find("it is on a list");
	list_del(&conn->reception.link);
	conn->reception.state = RECEPTION_ENDING;
	conn->flight.awaits = AWAITS_LAST;
	conn->watched = true;
	must_find("watches it");
	conn->reception.state = RECEPTION_READY;
	list_add(&conn->reception.link, &conn->part->fair.ready);
	list_del(&conn->part->fair.link);
	must_find("its client is on no list");
	list_add(&conn->part->fair.link, &loop->fair.ready);
	list_del(&conn->reception.link);
	must_find("it is on no list");
	list_init(&elsewhere);
	list_add(&conn->reception.link, &elsewhere);
	must_find("the lists of ready");
	list_del(&conn->reception.link);
	list_add(&conn->reception.link, &conn->part->fair.ready);
	loop->admit.page_grantee = conn;
	must_find("does not hold the grant");
	loop->admit.page_grantee = NULL;
	conn->loop = loop + 1;
	must_find("of another loop");
	conn->loop = loop;
	ck_assert_ptr_null(loop_is_valid(loop));
	free_conn(conn);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(reception_name(RECEPTION_ADOPTED), "adopted");
	ck_assert_str_eq(reception_name(RECEPTION_CLOSED), "closed");
	ck_assert_str_eq(parked_for_name(FOR_QUOTA), "quota");
	ck_assert_str_eq(parked_for_name(FOR_GATE), "the gate for long records");
	for (int i = 0; i < NR_RECEPTION_STATES; i++)
		ck_assert_ptr_nonnull(reception_name(i));
	for (int i = 0; i < NR_PARKED_FOR; i++) {
		ck_assert_ptr_nonnull(parked_for_name(i));
		ck_assert(parked_for_memory(i) ==
			  (i == FOR_QUOTA || i == FOR_PAGES || i == FOR_HEAP));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reception");
	TCase *tcase = tcase_create("chart");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, chart);
	tcase_add_loop_test(tcase, legal_moves, 0, NR_RECEPTION_STATES);
	tcase_add_loop_test(tcase, illegal_moves, 0, NR_RECEPTION_STATES);
	tcase_add_test(tcase, illegal_waits);
	tcase_add_test(tcase, half_a_move);
	tcase_add_test(tcase, grants);
	tcase_add_test(tcase, watching);
	tcase_add_test(tcase, cannot_be_watched);
	tcase_add_test(tcase, cannot_be_watched_for_sending);
	tcase_add_test(tcase, round_robin);
	tcase_add_test(tcase, damage);
	tcase_add_test(tcase, names);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
