/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a client of NFSv3 that locks: for that the server calls the status
 * monitor of its host, and the client itself when a lock becomes free.
 * Method: acts as all of them. The answer of the monitor is delayed while other
 * calls are made; the order of events is checked. In the end the server has
 * nothing to monitor and closes.
 *
 * usage: nlm_peer PORT MOUNT-PORT NLM-PORT EXPORT [odd|plain|early|granted]:
 * the export holds the file "lock"; an rpcbind that accepts registrations of
 * every user is on port 111
 *
 * With "early" instead of odd, only the monitor is called, on a connection on
 * which it has sent something unasked; the program prints its port first, and
 * locks when told "go". "granted" is the same with the client, which is called
 * for a lock that becomes free when told "go".
 */
#include "nfs4_party.h"

enum {
	RPC_PMAP = 100000,
	RPC_NLM = 100021,
	RPC_STATUS = 100024,

	PMAP_SET = 1,
	PMAP_UNSET = 2,
	SM_MON = 2,
	SM_UNMON = 3,
	NLM4_LOCK = 2,
	NLM4_UNLOCK = 4,
	NLM4_GRANTED_MSG = 10,
	NLM4_GRANTED_RES = 15,
	NLM4_GRANTED = 0,
	NLM4_BLOCKED = 3,

	HELD_ROUNDS = 20,
	HELD_PAUSE_US = 50 * 1000,
};

/* A service that the server may call. */
struct service {
	uint32_t program;
	int listener;
	struct rpc_conn conn;
};

static struct rpc_conn nfs, nlm;
static struct nfs_fh file;
static uint32_t xid = 0x3000;

static uint32_t port_of(int fd)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);

	if (getsockname(fd, (struct sockaddr *)&at, &len))
		die("getsockname: %s", strerror(errno));
	return ntohs(at.sin_port);
}

/* What rpcbind answers. */
static uint32_t pmap(uint32_t procedure, uint32_t program, uint32_t version,
		     uint32_t at)
{
	struct rpc_conn conn = rpc_connect("127.0.0.1", 111, RPC_PATIENCE_S);
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	uint32_t result;

	rpc_call_begin(&call, ++xid, RPC_PMAP, 2, procedure);
	rpc_put_u32(&call, program);
	rpc_put_u32(&call, version);
	rpc_put_u32(&call, IPPROTO_TCP);
	rpc_put_u32(&call, at);
	reply = rpc_call(&conn, &call);
	result = rpc_get_u32(&reply.results);
	rpc_disconnect(&conn);
	free(call.data);
	return result;
}

/* Listens, and registers at rpcbind, replacing an earlier registration. */
static struct service serve(uint32_t program, uint32_t version)
{
	struct service service = {.program = program, .conn = {.fd = -1}};

	service.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (service.listener < 0 || listen(service.listener, 8))
		die("no socket to be called at: %s", strerror(errno));
	pmap(PMAP_UNSET, program, version, 0);
	if (pmap(PMAP_SET, program, version, port_of(service.listener)) != 1)
		die("rpcbind does not take program %u", program);
	return service;
}

static void accept_server(struct service *service)
{
	wait_readable(service->listener, "the server to connect");
	service->conn.fd = accept4(service->listener, NULL, NULL,
				   SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* The server's next call, which must be this one; returns its xid. */
static uint32_t called(struct service *service, uint32_t procedure)
{
	struct rpc_buf *record = &service->conn.record;
	struct rpc_view view;
	uint32_t call_xid;

	if (service->conn.fd < 0)
		accept_server(service);
	next_record(&service->conn, "a call");
	view = (struct rpc_view){record->data, record->data + record->len,
				 false};
	call_xid = rpc_get_u32(&view);
	if (rpc_get_u32(&view) != 0 || rpc_get_u32(&view) != 2 ||
	    rpc_get_u32(&view) != service->program)
		die("the server does not call program %u", service->program);
	rpc_get_u32(&view);
	if (rpc_get_u32(&view) != procedure)
		die("the server does not call procedure %u", procedure);
	return call_xid;
}

static void reply_words(struct service *service, uint32_t call_xid,
			uint32_t words, const struct manner *manner)
{
	struct rpc_buf reply = {0}, wire = {0};

	nfs4_reply(&reply, call_xid, NFS4_ACCEPTED);
	for (uint32_t i = 0; i < words; i++)
		rpc_put_u32(&reply, i); /* status 0, state 1 */
	rpc_cut_record(rpc_cut_parse(manner->cut), &wire, &reply);
	service->conn.segment = manner->segment;
	rpc_exchange(&service->conn, &wire, 0, false, NULL, NULL);
	service->conn.segment = 0;
	free(reply.data);
	free(wire.data);
}

static void find_file(uint16_t mount_port, const char *export)
{
	struct rpc_conn mount = rpc_connect("127.0.0.1", mount_port, 0);
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	rpc_call_begin(&call, ++xid, RPC_MOUNT, 3, MOUNT3_MNT);
	rpc_put_name(&call, export);
	reply = rpc_call(&mount, &call);
	if (rpc_get_u32(&reply.results) || !rpc_get_fh(&reply.results, &file))
		die("the mount failed");
	nfs3_call_name(&call, ++xid, NFS3_LOOKUP, &file, "lock");
	reply = rpc_call(&nfs, &call);
	if (rpc_get_u32(&reply.results) || !rpc_get_fh(&reply.results, &file))
		die("the lookup failed");
	rpc_disconnect(&mount);
	free(call.data);
}

static void send_lock(uint32_t procedure, const char *owner, bool block)
{
	struct rpc_buf call = {0};

	rpc_call_begin(&call, ++xid, RPC_NLM, 4, procedure);
	rpc_put_name(&call, "cookie");
	if (procedure == NLM4_LOCK) {
		rpc_put_u32(&call, block);
		rpc_put_u32(&call, 1); /* exclusive */
	}
	rpc_put_name(&call, "127.0.0.1");
	rpc_put_fh(&call, &file);
	rpc_put_name(&call, owner);
	rpc_put_u32(&call, owner[0]);
	rpc_put_u64(&call, 0); /* the whole file */
	rpc_put_u64(&call, 0);
	if (procedure == NLM4_LOCK) {
		rpc_put_u32(&call, 0); /* nothing to reclaim */
		rpc_put_u32(&call, 1);
	}
	send_whole(&nlm, &call);
	free(call.data);
}

static void lock_reply(uint32_t status)
{
	struct rpc_reply reply;
	uint32_t len, got;

	next_record(&nlm, "the reply to a lock call");
	if (!rpc_reply_parse(&reply, nlm.record.data, nlm.record.len) ||
	    reply.xid != xid || reply.accept_stat)
		die("call %#x is answered instead of %#x", reply.xid, xid);
	rpc_get_opaque(&reply.results, &len);
	got = rpc_get_u32(&reply.results);
	if (got != status)
		die("lock status %u, expected %u", got, status);
}

/* Procedure 0 of both, while the lock call waits. */
static void serve_others(void)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	rpc_call_begin(&call, 0x77, RPC_NFS, 3, 0);
	rpc_call(&nfs, &call);
	rpc_call_begin(&call, 0x78, RPC_NLM, 4, 0);
	reply = rpc_call(&nlm, &call);
	if (reply.xid != 0x78)
		die("a lock is granted before its host is monitored");
	free(call.data);
}

/* The client acknowledges the lock. The cookie is in the server's call. */
static void granted(struct service *client)
{
	struct rpc_buf call = {0}, *record = &client->conn.record;
	struct rpc_view view = {record->data + 6 * 4,
				record->data + record->len, false};
	const uint8_t *cookie;
	uint32_t len;

	for (int i = 0; i < 2; i++) { /* credential, verifier */
		rpc_get_u32(&view);
		rpc_get_opaque(&view, &len);
	}
	cookie = rpc_get_opaque(&view, &len);
	if (!cookie)
		die("a grant without a cookie");
	rpc_call_begin(&call, ++xid, RPC_NLM, 4, NLM4_GRANTED_RES);
	rpc_put_opaque(&call, cookie, len);
	rpc_put_u32(&call, NLM4_GRANTED);
	rpc_call(&nlm, &call);
	free(call.data);
}

/* It has nothing to monitor any more. */
static void end_monitor(struct service *monitor, const char *owner,
			const struct manner *manner)
{
	uint32_t call_xid;

	send_lock(NLM4_UNLOCK, owner, false);
	/* Perhaps by the thread that runs the call, which waits for this
	 * answer. */
	call_xid = called(monitor, SM_UNMON);
	reply_words(monitor, call_xid, 1, manner);
	lock_reply(NLM4_GRANTED);
	if (!rpc_closed_within(&monitor->conn, RPC_PATIENCE_S))
		die("the server keeps its connection to the monitor");
}

static void run_early(void)
{
	struct service monitor = serve(RPC_STATUS, 1);
	uint32_t call_xid;

	printf("port %u\n", port_of(monitor.listener));
	fflush(stdout);
	wait_word("go");
	send_lock(NLM4_LOCK, "early", false);
	accept_server(&monitor);
	answer_early(&monitor.conn);
	call_xid = called(&monitor, SM_MON);
	say("called");
	wait_word("answer");
	reply_words(&monitor, call_xid, 2, &plain);
	lock_reply(NLM4_GRANTED);
	end_monitor(&monitor, "early", &plain);
}

static void run_granted(void)
{
	struct service monitor = serve(RPC_STATUS, 1);
	struct service client = serve(RPC_NLM, 4);
	uint32_t call_xid;

	send_lock(NLM4_LOCK, "first", false);
	reply_words(&monitor, called(&monitor, SM_MON), 2, &plain);
	lock_reply(NLM4_GRANTED);
	send_lock(NLM4_LOCK, "second", true);
	lock_reply(NLM4_BLOCKED);
	printf("port %u\n", port_of(client.listener));
	fflush(stdout);
	wait_word("go");
	send_lock(NLM4_UNLOCK, "first", false);
	lock_reply(NLM4_GRANTED);
	accept_server(&client);
	answer_early(&client.conn);
	call_xid = called(&client, NLM4_GRANTED_MSG);
	say("called");
	wait_word("answer");
	reply_words(&client, call_xid, 0, &plain);
	granted(&client);
	end_monitor(&monitor, "second", &plain);
}

int main(int argc, char **argv)
{
	struct service monitor, client;
	uint32_t call_xid;

	if (argc < 5)
		die("usage: nlm_peer PORT MOUNT-PORT NLM-PORT EXPORT "
		    "[odd|plain|early|granted]");
	rpc_end_with_parent();
	plain_only = argc == 6 && !strcmp(argv[5], "plain");
	nfs = rpc_connect("127.0.0.1", strtoul(argv[1], NULL, 0), 0);
	nlm = rpc_connect("127.0.0.1", strtoul(argv[3], NULL, 0), 0);
	find_file(strtoul(argv[2], NULL, 0), argv[4]);
	if (argc == 6 && !strcmp(argv[5], "early")) {
		run_early();
		return 0;
	}
	if (argc == 6 && !strcmp(argv[5], "granted")) {
		run_granted();
		return 0;
	}
	monitor = serve(RPC_STATUS, 1);
	client = serve(RPC_NLM, 4);

	send_lock(NLM4_LOCK, "first", false);
	call_xid = called(&monitor, SM_MON);
	for (int i = 0; i < HELD_ROUNDS; i++) {
		serve_others();
		usleep(HELD_PAUSE_US);
	}
	reply_words(&monitor, call_xid, 2, odd_manner(1));
	lock_reply(NLM4_GRANTED);

	send_lock(NLM4_LOCK, "second", true);
	lock_reply(NLM4_BLOCKED);
	send_lock(NLM4_UNLOCK, "first", false);
	lock_reply(NLM4_GRANTED);
	call_xid = called(&client, NLM4_GRANTED_MSG);
	reply_words(&client, call_xid, 0, odd_manner(2));
	granted(&client);
	end_monitor(&monitor, "second", odd_manner(3));
	printf("a host monitored, a lock granted later\n");
	return 0;
}
