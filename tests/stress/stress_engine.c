/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: whatever many clients do at the same time, each call that was sent
 * whole on an orderly connection is answered exactly once, no reply comes
 * twice, each connection ends once, and no page is out in the end.
 * Method: for some seconds client threads open connections and send random
 * calls in random pieces: quick ones, slow ones, ones finished by another
 * thread. Or they reset, send garbage, or have their connection dropped by its
 * owner; peers pause reading; on budgets of few pages and of many.
 *
 * usage: stress_engine [SECONDS [SEED]]
 */
#include "../unit/engine_util.h"

#define CLIENTS 8
#define MAX_CALLS 60u
#define ROUNDS 3

static uint64_t until_ns;
static bool finishing;
static unsigned int sessions, orderly;
static uint64_t answered;

struct client {
	struct peer peer;
	pthread_t thread;
	uint64_t seed;
};
static struct client clients[CLIENTS];

/* What a client does besides calling. */
enum ending { WAITS, SHUTS, RESETS, LEAVES, RUBBISH, IS_DROPPED, ENDINGS };

/* A record of random fragments in random pieces; @part: not all of it. */
static bool send_pieces(struct client *c, uint32_t xid, bool part)
{
	size_t len, at = 0, n;
	uint8_t *record = call_record(xid, 30, &c->seed, &len);
	bool sent = true;

	if (part)
		len = test_below(&c->seed, (uint32_t)len);
	for (; sent && at < len; at += n) {
		n = test_below(&c->seed, 4) ? len - at
					    : wire_portion(&c->seed, len - at);
		sent = send_bytes(&c->peer, record + at, n);
	}
	free(record);
	return sent;
}

static uint32_t random_xid(uint64_t *seed, uint32_t n)
{
	static const int how[] = { ECHO, ECHO, ECHO, LATER, SLOW };
	static const int size[] = { SMALL, SMALL, SMALL, MEDIUM, LARGE };

	return XID(how[test_below(seed, 5)], size[test_below(seed, 5)], n);
}

static void end_badly(struct client *c, enum ending ending)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	int fd = c->peer.client;

	if (ending == RESETS) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		peer_hang_up(&c->peer);
	} else if (ending == LEAVES) {
		send_pieces(c, random_xid(&c->seed, MAX_CALLS), true);
		peer_hang_up(&c->peer);
	} else if (ending == RUBBISH) {
		send_bytes(&c->peer, "\xff\xff\xff\xff", 4);
	} else {
		rpcbuf_conn_drop(c->peer.conn);
	}
}

/* Reads replies to the end of the stream, none twice; returns their number. */
static unsigned int receive_rest(struct client *c, unsigned int nr)
{
	bool got[MAX_CALLS + 1] = { false };
	unsigned int replies = 0;
	uint32_t xid;

	while (c->peer.client >= 0 && receive_reply(&c->peer, &xid)) {
		xid &= 0xffffff;
		must(xid < nr && !got[xid]);
		got[xid] = true;
		replies++;
	}
	return replies;
}

static void check_reason(enum ending ending, enum rpcbuf_close_reason reason)
{
	switch (ending) {
	case RUBBISH:
		must(reason == RPCBUF_CLOSE_REFUSED);
		break;
	case IS_DROPPED:
		must(reason == RPCBUF_CLOSE_DROPPED);
		break;
	case WAITS:
	case SHUTS:
		must(reason == RPCBUF_CLOSE_EOF);
		break;
	default:
		must(reason == RPCBUF_CLOSE_EOF ||
		     reason == RPCBUF_CLOSE_ERROR);
	}
}

static void session(struct client *c)
{
	enum ending ending = test_below(&c->seed, 2)
				     ? WAITS
				     : test_below(&c->seed, ENDINGS);
	unsigned int nr = 1 + test_below(&c->seed, MAX_CALLS), i;

	peer_open(&c->peer);
	for (i = 0; i < nr; i++)
		must(send_pieces(c, random_xid(&c->seed, i), false));
	if (ending == WAITS)
		receive_replies(&c->peer, 0, nr);
	if (ending == WAITS || ending == SHUTS)
		shutdown(c->peer.client, SHUT_WR);
	else
		end_badly(c, ending);
	i = receive_rest(c, nr);
	if (ending == SHUTS)
		must(i == nr);
	if (ending == WAITS)
		must(i == 0);
	eventually(seen(c->peer.closed));
	check_reason(ending, c->peer.reason);
	must(c->peer.calls <= nr);
	__atomic_add_fetch(&answered, c->peer.calls, __ATOMIC_RELAXED);
	count(sessions);
	if (ending == WAITS || ending == SHUTS)
		count(orderly);
	peer_free(&c->peer);
}

static void *client_main(void *arg)
{
	struct client *c = arg;

	while (os_now() < until_ns)
		session(c);
	return NULL;
}

/* Finishes the calls that the handler put aside. */
static void *disturb(void *arg)
{
	uint64_t seed = *(uint64_t *)arg;

	while (!seen(finishing)) {
		answer_later();
		usleep(test_below(&seed, 1000));
	}
	return NULL;
}

static void run(unsigned int seconds, uint64_t pages, unsigned int receivers,
		uint64_t seed)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_engine_stats s = RPCBUF_ENGINE_STATS_INIT;
	pthread_t thread;

	o.receivers = receivers;
	server_start(pages * RPCBUF_PAGE_SIZE, &o);
	until_ns = os_now() + seconds * OS_SECOND_NS;
	answered = sessions = orderly = 0;
	__atomic_store_n(&finishing, false, __ATOMIC_RELEASE);
	must(!pthread_create(&thread, NULL, disturb, &seed));
	for (unsigned int i = 0; i < CLIENTS; i++) {
		clients[i].seed = seed + 2 * i + 1;
		must(!pthread_create(&clients[i].thread, NULL, client_main,
				     &clients[i]));
	}
	for (unsigned int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i].thread, NULL);
	__atomic_store_n(&finishing, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	s = stats();
	printf("%llu pages, %u receivers: %u sessions, %u orderly, %llu calls, "
	       "%llu handovers, parked %llu times for pages, %llu for peers\n",
	       (unsigned long long)pages, receivers, sessions, orderly,
	       (unsigned long long)s.requests, (unsigned long long)s.handovers,
	       (unsigned long long)s.parked_pages,
	       (unsigned long long)s.parked_unsent);
	fflush(stdout);
	must(s.requests == answered && orderly > 0);
	must(s.connections == 0 && s.connections_total == sessions);
	server_stop();
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? (unsigned int)atoi(argv[1]) : 15;
	uint64_t seed;

	if (argc > 2)
		setenv("RPCBUF_SEED", argv[2], 1);
	seed = test_seed();
	/* The smallest budget, one with some room, and one with enough. */
	run(seconds / ROUNDS, 4 * 65, 2, seed);
	run(seconds / ROUNDS, 3 * 65 + 100, 1, seed + 1000);
	run(seconds / ROUNDS, 8192, 2, seed + 2000);
	return 0;
}
