/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a client of NFS v4.0, which the server calls on a connection that the
 * server opens.
 * Method: raw NFS; see usage() for what each command does and expects. The
 * order of events is checked, never their duration.
 */
#include "nfs4_party.h"

enum {
	MANY = 16,
	HELD_ROUNDS = 20,
	HELD_PAUSE_US = 50 * 1000, /* about a second in all */
};

static int __attribute__((cold)) usage(void)
{
	fprintf(stderr,
		"usage: nfs4_callbacks PORT COMMAND [odd|plain]\n"
		"  answered    CB_NULL is answered\n"
		"  held        others are served while one answer is due\n"
		"  many        the same with %d answers due at once\n"
		"  refused     CB_NULL is refused\n"
		"  absent      no listener where the server calls\n"
		"  moved       the callback address changes\n"
		"  across      says \"held\", and answers at the end of its input\n"
		"  early       says something unasked before it is called\n"
		"  early-reset the same, and resets\n"
		"  early-lost  the same, and the server lets the connection go\n"
		"odd, the default, or plain: how answers are cut\n",
		MANY);
	return 2;
}

static void party_listen(struct party *party)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	unsigned number;

	party->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (party->listener < 0 ||
	    bind(party->listener, (struct sockaddr *)&at, len) ||
	    listen(party->listener, 8) ||
	    getsockname(party->listener, (struct sockaddr *)&at, &len))
		die("no socket to be called at: %s", strerror(errno));
	number = ntohs(at.sin_port);
	snprintf(party->address, sizeof(party->address), "127.0.0.1.%u.%u",
		 number >> 8, number & 255);
}

static void setclientid(struct party *party)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	nfs4_call_setclientid(&call, ++party->xid, &party->client,
			      party->address);
	reply = rpc_call(&party->conn, &call);
	nfs4_get_setclientid(&reply, &party->client);
	free(call.data);
}

/* A client of v4.0 that is not confirmed yet. */
static void party_open(struct party *party)
{
	party_name(party);
	party_listen(party);
	setclientid(party);
}

static void send_confirm(struct party *party)
{
	struct rpc_buf call = {0};

	nfs4_call_confirm(&call, ++party->xid, &party->client);
	send_whole(&party->conn, &call);
	free(call.data);
}

static void accept_callback(struct party *party)
{
	wait_readable(party->listener, "the server to connect");
	party->cb.fd = accept4(party->listener, NULL, NULL,
			       SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (party->cb.fd < 0)
		die("accept: %s", strerror(errno));
}

/* The xid of the CB_NULL call that must follow a CONFIRM. */
static uint32_t called(struct party *party)
{
	if (party->cb.fd < 0)
		accept_callback(party);
	next_record(&party->cb, "CB_NULL");
	return nfs4_get_cb_null(&party->cb.record);
}

static void confirmed(struct party *party)
{
	struct rpc_reply reply;

	next_record(&party->conn, "the reply to CONFIRM");
	if (!rpc_reply_parse(&reply, party->conn.record.data,
			     party->conn.record.len) ||
	    reply.xid != party->xid)
		die("call %#x is answered instead of CONFIRM", reply.xid);
	nfs4_get_first(&reply, NFS4_SETCLIENTID_CONFIRM);
}

/* No byte of the CONFIRM's reply may have come: others overtake it, it
 * waits. */
static void serve_others(struct party *party)
{
	static struct rpc_conn other = {.fd = -1};
	struct rpc_conn *conns[] = {&other, &party->conn};
	struct rpc_buf call = {0};
	static uint32_t xid = 0x77000000;

	if (other.fd < 0)
		other = rpc_connect("127.0.0.1", port, 0);
	for (size_t i = 0; i < COUNT(conns); i++) {
		struct rpc_reply reply;

		nfs4_call_root(&call, ++xid);
		reply = rpc_call(conns[i], &call);
		if (reply.xid != xid)
			die("%#x is answered while CB_NULL is not", reply.xid);
		nfs4_get_first(&reply, NFS4_PUTROOTFH);
	}
	free(call.data);
}

static void run_answered(void)
{
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct party party;

		party_open(&party);
		send_confirm(&party);
		answer(&party.cb, called(&party), odd_manner(i));
		confirmed(&party);
		party_close(&party);
	}
	printf("%zu CB_NULL calls answered\n", COUNT(odd));
}

static void run_held(void)
{
	struct party party;
	uint32_t xid;

	party_open(&party);
	send_confirm(&party);
	xid = called(&party);
	for (int i = 0; i < HELD_ROUNDS; i++) {
		serve_others(&party);
		usleep(HELD_PAUSE_US);
	}
	answer(&party.cb, xid, &plain);
	confirmed(&party);
	serve_others(&party);
	party_close(&party);
	printf("%d calls answered beside CONFIRM\n", 2 * HELD_ROUNDS);
}

static void run_across(void)
{
	struct party party;
	uint32_t xid;

	party_open(&party);
	send_confirm(&party);
	xid = called(&party);
	printf("held\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	answer(&party.cb, xid, &plain);
	confirmed(&party);
	party_close(&party);
	printf("answered in the end\n");
}

static void run_many(void)
{
	static struct party party[MANY];
	uint32_t xid[MANY];

	for (int i = 0; i < MANY; i++)
		party_open(&party[i]);
	for (int i = 0; i < MANY; i++)
		send_confirm(&party[i]);
	for (int i = 0; i < MANY; i++)
		xid[i] = called(&party[i]);
	for (int i = 0; i < MANY; i++)
		serve_others(&party[i]);
	for (int i = MANY; i-- > 0;) {
		answer(&party[i].cb, xid[i], odd_manner(i));
		confirmed(&party[i]);
		serve_others(&party[i]);
	}
	for (int i = 0; i < MANY; i++)
		party_close(&party[i]);
	printf("%d clients confirmed at once\n", MANY);
}

/* The server repeats the call once before it accepts a refusal. */
static void refuse(struct party *party, const struct manner *manner)
{
	struct pollfd ready[2] = {{.fd = party->conn.fd, .events = POLLIN},
				  {.events = POLLIN}};

	do {
		if (!party->cb.closed && rpc_take_record(&party->cb))
			answer(&party->cb, nfs4_get_cb_null(&party->cb.record),
			       manner);
		ready[1].fd = party->cb.closed ? -1 : party->cb.fd;
		if (poll(ready, 2, RPC_PATIENCE_S * 1000) < 1)
			die("CONFIRM is not answered after a refusal");
		if (ready[1].fd >= 0 && ready[1].revents)
			rpc_receive_some(&party->cb);
	} while (!ready[0].revents);
}

static void run_refused(void)
{
	for (size_t i = 0; i < COUNT(refusing); i++) {
		struct party party;

		party_open(&party);
		send_confirm(&party);
		accept_callback(&party);
		refuse(&party, &refusing[i]);
		confirmed(&party);
		party_close(&party);
	}
	printf("%zu CB_NULL calls refused\n", COUNT(refusing));
}

static void run_absent(void)
{
	struct party party;

	party_open(&party);
	close(party.listener);
	party.listener = -1;
	send_confirm(&party);
	confirmed(&party);
	serve_others(&party);
	party_close(&party);
	printf("confirmed without a callback\n");
}

/* The server calls at the new address; the old connection is ours to close. */
static void run_moved(void)
{
	struct party party;
	struct rpc_conn old;

	party_open(&party);
	for (int i = 0; i < 10; i++) {
		send_confirm(&party);
		answer(&party.cb, called(&party), &plain);
		confirmed(&party);
		old = party.cb;
		party.cb = (struct rpc_conn){.fd = -1};
		close(party.listener);
		party_listen(&party);
		setclientid(&party);
		send_confirm(&party);
		answer(&party.cb, called(&party), &plain);
		confirmed(&party);
		rpc_disconnect(&old);
		cb_hang_up(&party);
		close(party.listener);
		party_listen(&party);
		setclientid(&party);
	}
	party_close(&party);
	printf("20 callback addresses\n");
}

static void run_early(void)
{
	struct party party;
	uint32_t xid;

	party_open(&party);
	send_confirm(&party);
	accept_callback(&party);
	answer_early(&party.cb);
	xid = called(&party);
	say("called");
	wait_word("answer");
	answer(&party.cb, xid, &plain);
	confirmed(&party);
	party_close(&party);
}

/* The server's first call is answered early, and it cannot connect again. */
static void open_early_only(struct party *party)
{
	party_open(party);
	send_confirm(party);
	accept_callback(party);
	close(party->listener);
	party->listener = -1;
	answer_early(&party->cb);
}

static void run_early_reset(void)
{
	struct party party;

	open_early_only(&party);
	wait_word("reset");
	reset_conn(&party.cb);
	say("reset");
	confirmed(&party);
	party_close(&party);
}

static void run_early_lost(void)
{
	struct party party;

	open_early_only(&party);
	if (!rpc_closed_within(&party.cb, RPC_PATIENCE_S))
		die("the server keeps a connection that it cannot receive on");
	say("lost");
	confirmed(&party);
	party_close(&party);
}

int main(int argc, char **argv)
{
	static const struct command commands[] = {
		{"answered", run_answered},
		{"held", run_held},
		{"many", run_many},
		{"refused", run_refused},
		{"absent", run_absent},
		{"moved", run_moved},
		{"across", run_across},
		{"early", run_early},
		{"early-reset", run_early_reset},
		{"early-lost", run_early_lost},
	};

	return run_command(commands, COUNT(commands), argc, argv) ? 0 : usage();
}
