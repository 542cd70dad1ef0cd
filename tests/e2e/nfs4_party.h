/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A client that the server calls: its connection, the address for calls, and
 * the form of its answers. One thread; any error ends the program.
 */
#ifndef RPCBUF_E2E_NFS4_PARTY_H
#define RPCBUF_E2E_NFS4_PARTY_H

#include "nfs4_call.h"
#include "rpc_conn.h"

/* One client of the server, and the address where the server may call it. */
struct party {
	struct nfs4_client client;
	struct rpc_conn conn, cb;
	int listener;
	char address[32]; /* the listener's, in the form of the protocol */
	uint32_t xid;
	bool cb_waits; /* a call on conn itself, for its answer */
	uint32_t cb_xid;
};

/* Form of answers: in the RPC header, and in the bytes on the wire. */
struct manner {
	enum nfs4_answer answer;
	const char *cut;
	size_t segment;
};

static const struct manner plain = {NFS4_ACCEPTED, "whole", 0};

static const struct manner odd[] = {
	{NFS4_ACCEPTED, "whole", 1},	  {NFS4_ACCEPTED, "every:1", 0},
	{NFS4_ACCEPTED, "every:1", 1},	  {NFS4_ACCEPTED, "every:5+empty", 3},
	{NFS4_ACCEPTED, "at:4+tail", 0},  {NFS4_ACCEPTED, "at:7", 2},
	{NFS4_ACCEPTED, "random:1", 0},	  {NFS4_ACCEPTED, "random:2+tail", 1},
	{NFS4_ACCEPTED, "empties:40", 0}, {NFS4_ACCEPTED, "at:23+empty", 6},
	{NFS4_ACCEPTED, "every:11", 0},	  {NFS4_ACCEPTED, "at:21+tail", 1},
};

static const struct manner refusing[] = {
	{NFS4_PROC_UNAVAIL, "whole", 0},
	{NFS4_RPC_MISMATCH, "whole", 0},
	{NFS4_AUTH_ERROR, "whole", 0},
	{NFS4_AUTH_ERROR, "every:4", 1},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static uint16_t port;
static bool plain_only; /* other servers may not accept odd fragments */

static inline const struct manner *odd_manner(size_t i)
{
	return plain_only ? &plain : &odd[i % COUNT(odd)];
}

static inline void party_name(struct party *party)
{
	static unsigned number;

	*party = (struct party){.listener = -1, .xid = 0x1000 * ++number};
	snprintf(party->client.name, sizeof(party->client.name),
		 "client %u of %d", number, getpid());
	party->cb.fd = -1;
	party->conn = rpc_connect("127.0.0.1", port, 0);
}

static inline void cb_hang_up(struct party *party)
{
	if (party->cb.fd >= 0)
		rpc_disconnect(&party->cb);
	party->cb = (struct rpc_conn){.fd = -1};
}

static inline void party_close(struct party *party)
{
	cb_hang_up(party);
	if (party->listener >= 0)
		close(party->listener);
	rpc_disconnect(&party->conn);
}

static inline void send_whole(struct rpc_conn *conn, const struct rpc_buf *call)
{
	struct rpc_buf wire = {0};

	rpc_cut_record(rpc_cut_whole(), &wire, call);
	rpc_exchange(conn, &wire, 0, false, NULL, NULL);
	free(wire.data);
}

static inline void wait_readable(int fd, const char *what)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	if (poll(&ready, 1, RPC_PATIENCE_S * 1000) != 1)
		die("waited %d s in vain for %s", RPC_PATIENCE_S, what);
}

static inline void next_record(struct rpc_conn *conn, const char *what)
{
	while (!rpc_take_record(conn)) {
		if (conn->closed)
			die("the server closed instead of %s", what);
		wait_readable(conn->fd, what);
		rpc_receive_some(conn);
	}
}

static inline void answer(struct rpc_conn *conn, uint32_t xid,
			  const struct manner *manner)
{
	struct rpc_buf reply = {0}, wire = {0};

	nfs4_reply(&reply, xid, manner->answer);
	rpc_cut_record(rpc_cut_parse(manner->cut), &wire, &reply);
	conn->segment = manner->segment;
	conn->pause_us = manner->segment ? 300 : 0;
	rpc_exchange(conn, &wire, 0, false, NULL, NULL);
	conn->segment = conn->pause_us = 0;
	free(reply.data);
	free(wire.data);
}

/* The script and this program report their progress to each other, a word a
 * line. */
static inline void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

static inline void wait_word(const char *word)
{
	char said[32];

	if (scanf("%31s", said) != 1 || strcmp(said, word))
		die("the script does not say \"%s\"", word);
}

/* A reply to no call, the first bytes that the server gets on @conn. */
static inline void answer_early(struct rpc_conn *conn)
{
	say("connected");
	wait_word("early");
	answer(conn, 0x55555555, &plain);
}

static inline void reset_conn(struct rpc_conn *conn)
{
	const struct linger linger = {.l_onoff = 1};

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	rpc_disconnect(conn);
	*conn = (struct rpc_conn){.fd = -1};
}

/* Runs the command that main()'s arguments name: PORT COMMAND [odd|plain]. */
struct command {
	const char *name;
	void (*run)(void);
};

static inline bool run_command(const struct command *commands, size_t count,
			       int argc, char **argv)
{
	rpc_end_with_parent();
	if (argc < 3)
		return false;
	port = strtoul(argv[1], NULL, 0);
	plain_only = argc == 4 && !strcmp(argv[3], "plain");
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(argv[2], commands[i].name)) {
			commands[i].run();
			return true;
		}
	}
	return false;
}

#endif
