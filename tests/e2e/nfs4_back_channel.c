/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a client of NFS v4.1, which the server calls on the client's
 * connection: replies and calls arrive at the server on one stream.
 * Method: raw NFS; see usage() for what each command does and expects. The
 * server must have made a call itself.
 */
#include "nfs4_party.h"

static int __attribute__((cold)) usage(void)
{
	fprintf(stderr,
		"usage: nfs4_back_channel PORT COMMAND [odd|plain]\n"
		"  answered    answers %zu CB_NULL calls, and calls beside them\n"
		"  gone        goes away instead of an answer\n"
		"  unasked     replies to no call\n"
		"  told        says \"session\" and \"called\", and answers when told to\n"
		"  told-reset  says \"session\", and resets when told to\n"
		"odd, the default, or plain: how answers are cut\n",
		COUNT(odd) + COUNT(refusing));
	return 2;
}

/* Counts a CB_NULL call that came on the connection itself; false for a
 * reply. */
static bool take_back_call(struct party *party, struct rpc_reply *reply)
{
	struct rpc_buf *record = &party->conn.record;

	next_record(&party->conn, "a call or a reply");
	if (rpc_reply_parse(reply, record->data, record->len))
		return false;
	if (party->cb_waits)
		die("a second callback before the first one's answer");
	party->cb_xid = nfs4_get_cb_null(record);
	return party->cb_waits = true;
}

static void create_session(struct party *party)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	party_name(party);
	nfs4_call_exchange_id(&call, ++party->xid, &party->client);
	reply = rpc_call(&party->conn, &call);
	nfs4_get_exchange_id(&reply, &party->client);
	nfs4_call_create_session(&call, ++party->xid, &party->client, 1 << 16);
	send_whole(&party->conn, &call);
	free(call.data);
	while (take_back_call(party, &reply))
		;
	nfs4_get_create_session(&reply, &party->client);
	if (!party->client.back_channel)
		die("the server wants no back channel");
}

/* A call, the answer to the server's call, and a call, in one piece. */
static void answer_between_calls(struct party *party,
				 const struct manner *manner, uint32_t sequence)
{
	struct rpc_buf record = {0}, wire = {0};
	struct rpc_cut cut = rpc_cut_parse(manner->cut);

	nfs4_call_root(&record, ++party->xid);
	rpc_cut_record(cut, &wire, &record);
	nfs4_reply(&record, party->cb_xid, manner->answer);
	rpc_cut_record(cut, &wire, &record);
	nfs4_call_sequence(&record, ++party->xid, &party->client, sequence);
	rpc_cut_record(cut, &wire, &record);
	party->conn.segment = manner->segment;
	rpc_exchange(&party->conn, &wire, 0, false, NULL, NULL);
	party->conn.segment = 0;
	party->cb_waits = false;
	free(record.data);
	free(wire.data);
}

static const struct manner *back_manner(size_t i)
{
	return i < COUNT(odd) ? odd_manner(i) : &refusing[i - COUNT(odd)];
}

static void run_answered(void)
{
	const size_t all = COUNT(odd) + COUNT(refusing);
	size_t answered = 0, replies = 0;
	struct party party;
	struct rpc_reply reply;
	uint32_t first;

	create_session(&party);
	first = party.xid + 1;
	while (answered < all || replies < 2 * all) {
		if (party.cb_waits && replies == 2 * answered) {
			answer_between_calls(&party, back_manner(answered),
					     answered + 1);
			answered++;
		} else if (!take_back_call(&party, &reply)) {
			nfs4_get_first(&reply, (reply.xid - first) & 1
						       ? NFS4_SEQUENCE
						       : NFS4_PUTROOTFH);
			replies++;
		}
	}
	party_close(&party);
	printf("%zu CB_NULL calls answered on the client's connection\n", all);
}

static void run_gone(void)
{
	struct party party;
	struct rpc_reply reply;

	create_session(&party);
	if (!party.cb_waits && !take_back_call(&party, &reply))
		die("a reply without a call");
	party_close(&party);
	printf("gone\n");
}

/* Fragments of a reply to no call, then a call, on a connection of its own. */
static void unasked(const struct manner *manner, unsigned count)
{
	struct rpc_conn conn = rpc_connect("127.0.0.1", port, 0);
	struct rpc_buf record = {0}, wire = {0};
	struct rpc_reply reply;

	nfs4_reply(&record, 0x55555555, manner->answer);
	while (count--)
		rpc_cut_record(rpc_cut_parse(manner->cut), &wire, &record);
	nfs4_call_root(&record, 0x1234);
	rpc_cut_record(rpc_cut_whole(), &wire, &record);
	conn.segment = manner->segment;
	conn.pause_us = manner->segment ? 300 : 0;
	if (rpc_exchange(&conn, &wire, 1, false, NULL, NULL) != 1)
		die("the server closed because of a reply (%s, form %d)",
		    manner->cut, manner->answer);
	conn.segment = conn.pause_us = 0;
	nfs4_call_root(&record, 0x1235);
	reply = rpc_call(&conn, &record);
	if (reply.xid != 0x1235)
		die("a reply to %#x, which was not called", reply.xid);
	rpc_disconnect(&conn);
	free(record.data);
	free(wire.data);
}

static void run_unasked(void)
{
	static const struct manner batch = {NFS4_AUTH_ERROR, "whole", 0};

	for (size_t i = 0; i < COUNT(odd); i++)
		unasked(odd_manner(i), 1);
	for (size_t i = 0; i < COUNT(refusing); i++)
		unasked(&refusing[i], 1);
	unasked(&batch, 5000);
	printf("replies to no call keep no connection from its calls\n");
}

static void run_told(void)
{
	struct party party;
	struct rpc_reply reply;

	create_session(&party);
	say("session");
	if (!party.cb_waits && !take_back_call(&party, &reply))
		die("a reply without a call");
	say("called");
	wait_word("answer");
	answer(&party.conn, party.cb_xid, &plain);
	party_close(&party);
}

static void run_told_reset(void)
{
	struct party party;

	create_session(&party);
	say("session");
	wait_word("reset");
	reset_conn(&party.conn);
	say("reset");
}

int main(int argc, char **argv)
{
	static const struct command commands[] = {
		{"answered", run_answered},	{"gone", run_gone},
		{"unasked", run_unasked},	{"told", run_told},
		{"told-reset", run_told_reset},
	};

	return run_command(commands, COUNT(commands), argc, argv) ? 0 : usage();
}
