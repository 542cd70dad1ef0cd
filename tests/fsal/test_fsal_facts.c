/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the facts about ntirpc that the plug-in relies on hold in the installed
 * version, and are refused with a sentence where they do not.
 * Method: ntirpc is started as the server does it, and probed; then again with
 * one of its functions replaced by one that behaves otherwise, as a later
 * version may.  No descriptor stays open.  README.md has the sentence of each
 * row.
 */
#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <rpc/svc_auth.h>
#include <rpc/svc_rqst.h>
#include <rpc/xdr_ioq.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "fsal/facts.h"
#include "nfsv41.h"

#define CONNECTIONS 64

static struct facts facts;
static char why[512];

/* So that the server's library is linked, though its function is below. */
static const void *volatile server = &nfs_param;

static struct svc_req *no_request(SVCXPRT *xprt, XDR *xdrs)
{
	(void)xprt;
	(void)xdrs;
	return NULL;
}

/* As in the server. */
static void free_request(struct svc_req *req, enum xprt_stat stat)
{
	SVCXPRT *xprt = req->rq_xprt;

	(void)stat;
	mem_free(container_of(req, nfs_request_t, svc), sizeof(nfs_request_t));
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

static void setup(void)
{
	struct svc_init_params params = {
		.alloc_cb = no_request,
		.free_cb = free_request,
		.flags = SVC_INIT_EPOLL | SVC_INIT_NOREG_XPRTS,
		.max_connections = CONNECTIONS,
		.max_events = 64,
		.ioq_send_max = 1 << 20,
		.channels = 4,
	};

	ck_assert_ptr_nonnull(server);
	ck_assert(svc_init(&params));
	memset(why, 0, sizeof(why));
}

static void refused_for(const char *words)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), -ENOTSUP);
	ck_assert_msg(strstr(why, words), "it says: %s", why);
}

START_TEST(all_hold)
{
	int err = facts_find(&facts, why, sizeof(why));

	ck_assert_msg(err == 0, "%s", why);
	ck_assert_ptr_nonnull(facts.connected->xp_reply);
	ck_assert_ptr_nonnull(facts.listening->xp_recv);
	ck_assert_ptr_nonnull(facts.clients->cl_call);
	ck_assert_uint_gt(facts.queue, sizeof(SVCXPRT));
}
END_TEST

static enum xprt_stat keep_reply(struct svc_req *req)
{
	(void)req;
	return XPRT_IDLE;
}

START_TEST(queue_is_elsewhere)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	facts.connected->xp_reply = keep_reply;
	refused_for("a reply that is sent heads the queue");
}
END_TEST

static enum clnt_stat keep_call(struct clnt_req *call)
{
	(void)call;
	return RPC_SUCCESS;
}

START_TEST(call_is_not_queued)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	facts.clients->cl_call = keep_call;
	refused_for("behind an entry of another's");
}
END_TEST

/* Probes call these instead of functions of ntirpc and the server: they do what
 * the real ones do, and what `spoil` says. */
static struct {
	void (*xprt)(SVCXPRT *xprt);
	void (*client)(CLIENT *client);
	void (*registered)(SVCXPRT *xprt);
	bool unregistered;
	bool resumed;
	bool stops;
	unsigned int late;
	bool (*netobj)(XDR *xdrs, struct netobj *object);
	void (*replied)(XDR *xdrs);
	enum xprt_stat (*sent)(struct svc_req *req);
	struct svc_auth_ops *auth;
	void (*data)(struct xdr_uio *uio);
} spoil;

#define REAL(function) ((__typeof__(&(function)))dlsym(RTLD_NEXT, #function))

SVCXPRT *svc_fd_ncreatef(const int fd, const u_int sendsize,
			 const u_int recvsize, const uint32_t flags)
{
	SVCXPRT *xprt = REAL(svc_fd_ncreatef)(fd, sendsize, recvsize, flags);

	if (spoil.xprt)
		spoil.xprt(xprt);
	return xprt;
}

CLIENT *clnt_vc_ncreate_svc(const SVCXPRT *xprt, const rpcprog_t prog,
			    const rpcvers_t vers, const uint32_t flags)
{
	CLIENT *client = REAL(clnt_vc_ncreate_svc)(xprt, prog, vers, flags);

	if (spoil.client)
		spoil.client(client);
	return client;
}

int svc_rqst_evchan_reg(uint32_t id, SVCXPRT *xprt, uint32_t flags)
{
	if (spoil.unregistered)
		return ENOMEM;
	if (spoil.registered)
		spoil.registered(xprt);
	return REAL(svc_rqst_evchan_reg)(id, xprt, flags);
}

SVCXPRT *svc_vc_ncreatef(const int fd, const u_int sendsize,
			 const u_int recvsize, const uint32_t flags)
{
	SVCXPRT *xprt = REAL(svc_vc_ncreatef)(fd, sendsize, recvsize, flags);

	if (spoil.xprt)
		spoil.xprt(xprt);
	return xprt;
}

/* Sent data arrives after `late` polls. */
int poll(struct pollfd *fds, nfds_t nr, int ms)
{
	if (!nr || !spoil.late)
		return REAL(poll)(fds, nr, ms);
	spoil.late--;
	return 0;
}

ssize_t recv(int fd, void *to, size_t len, int flags)
{
	if (!spoil.late)
		return REAL(recv)(fd, to, len, flags);
	errno = EAGAIN;
	return -1;
}

void svc_resume(struct svc_req *req)
{
	if (spoil.stops) {
		admin_shutdown = true;
		return;
	}
	if (spoil.resumed)
		XDR_DESTROY(req->rq_xdrs);
	REAL(svc_resume)(req);
}

bool xdr_nnetobj(XDR *xdrs, struct netobj *object)
{
	return spoil.netobj ? spoil.netobj(xdrs, object)
			    : REAL(xdr_nnetobj)(xdrs, object);
}

bool xdr_nreplymsg(XDR *xdrs, struct rpc_msg *msg)
{
	bool done = REAL(xdr_nreplymsg)(xdrs, msg);

	if (spoil.replied)
		spoil.replied(xdrs);
	return done;
}

enum xprt_stat svc_sendreply(struct svc_req *req)
{
	return spoil.sent ? spoil.sent(req) : REAL(svc_sendreply)(req);
}

enum auth_stat _svcauth_none(struct svc_req *req)
{
	static SVCAUTH auth;
	enum auth_stat stat = REAL(_svcauth_none)(req);

	if (spoil.auth) {
		auth.svc_ah_ops = spoil.auth;
		req->rq_auth = &auth;
	}
	return stat;
}

struct xdr_uio *xdr_READ4res_uio_setup(struct READ4resok *ok)
{
	struct xdr_uio *uio = REAL(xdr_READ4res_uio_setup)(ok);

	if (spoil.data)
		spoil.data(uio);
	return uio;
}

static void use_p1(SVCXPRT *xprt)
{
	xprt->xp_p1 = xprt;
}

static void have_parent(SVCXPRT *xprt)
{
	xprt->xp_parent = xprt;
}

static void send_elsewhere(SVCXPRT *xprt)
{
	xprt->xp_fd_send = 0;
}

static void have_no_room(SVCXPRT *xprt)
{
	xprt->xp_remote.nb.buf = NULL;
}

START_TEST(transport_is_not_fresh)
{
	static void (*const how[])(SVCXPRT *) = {use_p1, have_parent,
						 send_elsewhere, have_no_room};

	spoil.xprt = how[_i];
	refused_for("a new transport has no xp_p1");
	/* Its end would follow the written bytes. */
	_exit(0);
}
END_TEST

static bool other_control(SVCXPRT *xprt, const u_int rq, void *in)
{
	(void)xprt;
	(void)rq;
	(void)in;
	return false;
}

static void fill_again(SVCXPRT *xprt)
{
	xprt->xp_ops->xp_control = other_control;
}

static void no_abort(CLIENT *client)
{
	(void)client;
}

static void fill_clients_again(CLIENT *client)
{
	client->cl_ops->cl_abort = no_abort;
}

START_TEST(tables_are_filled_again)
{
	if (_i)
		spoil.xprt = fill_again;
	else
		spoil.client = fill_clients_again;
	refused_for("what is exchanged in these tables stays");
}
END_TEST

static enum clnt_stat (*original_call)(struct clnt_req *call);
static SVCXPRT *last_made;

static void note_made(SVCXPRT *xprt)
{
	last_made = xprt;
}

static enum clnt_stat call_that_is_begun(struct clnt_req *call)
{
	enum clnt_stat stat = original_call(call);
	struct poolq_head *queue = facts_queue(&facts, last_made);

	_IOQ(TAILQ_LAST(&queue->qh, poolq_head_s))->write_start = 4;
	return stat;
}

START_TEST(call_is_not_whole)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	spoil.xprt = note_made;
	original_call = facts.clients->cl_call;
	facts.clients->cl_call = call_that_is_begun;
	refused_for("behind an entry of another's is queued whole");
}
END_TEST

static enum xprt_stat decode_elsewhere(struct svc_req *req)
{
	(void)req;
	return XPRT_IDLE;
}

START_TEST(call_is_decoded_elsewhere)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	facts.connected->xp_decode = decode_elsewhere;
	refused_for("a call is decoded on the thread");
}
END_TEST

static bool hold_client;

static void hold(CLIENT *client)
{
	SVCXPRT *xprt = last_made;

	(void)client;
	if (!hold_client)
		SVC_REF(xprt, SVC_REF_FLAG_NONE);
	hold_client = true;
}

START_TEST(references_are_others)
{
	spoil.xprt = note_made;
	spoil.client = hold;
	refused_for("a transport has one reference for its table");
}
END_TEST

static svc_xprt_fun_t original_recv;

static enum xprt_stat recv_and_arm(SVCXPRT *xprt)
{
	enum xprt_stat stat = original_recv(xprt);

	atomic_set_uint16_t_bits(&xprt->xp_flags, SVC_XPRT_FLAG_ADDED_RECV);
	return stat;
}

static enum xprt_stat recv_a_byte(SVCXPRT *xprt)
{
	char byte;

	ck_assert_int_eq(recv(xprt->xp_fd, &byte, 1, 0), 1);
	return original_recv(xprt);
}

static svc_xprt_fun_t eager;

/* Its own table, which the probe has set. */
static void be_eager(SVCXPRT *xprt)
{
	if (xprt->xp_ops->xp_recv == facts.connected->xp_recv)
		return;
	original_recv = xprt->xp_ops->xp_recv;
	xprt->xp_ops->xp_recv = eager;
}

START_TEST(event_is_not_one)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	eager = _i ? recv_and_arm : recv_a_byte;
	spoil.registered = be_eager;
	refused_for("xp_recv alone reads");
}
END_TEST

static void (*original_destroy)(SVCXPRT *, u_int, const char *, const int);

static void destroy_the_queue(SVCXPRT *xprt, u_int flags, const char *tag,
			      const int line)
{
	struct poolq_entry *first = facts_queue(&facts, xprt)->qh.tqh_first;

	if (first)
		first->q.tqe_prev = NULL;
	original_destroy(xprt, flags, tag, line);
}

static void destroy_and_keep_parent(SVCXPRT *xprt, u_int flags,
				    const char *tag, const int line)
{
	xprt->xp_parent = NULL;
	original_destroy(xprt, flags, tag, line);
}

START_TEST(end_is_another)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	original_destroy = facts.connected->xp_destroy;
	if (_i == 0)
		facts.connected->xp_destroy = destroy_and_keep_parent;
	else if (_i == 1)
		facts.connected->xp_destroy = destroy_the_queue;
	else
		spoil.resumed = true;
	refused_for("a resumed request ends once");
}
END_TEST

static bool netobj_in_a_block(XDR *xdrs, struct netobj *object)
{
	static uint32_t block[2];

	object->n_bytes = (char *)block;
	object->n_len = sizeof(block);
	return xdrs->x_op == XDR_FREE ||
	       xdr_opaque_decode(xdrs, object->n_bytes, object->n_len);
}

static bool netobj_that_is_freed_in_parts(XDR *xdrs, struct netobj *object)
{
	return xdrs->x_op == XDR_FREE || REAL(xdr_nnetobj)(xdrs, object);
}

START_TEST(payload_is_elsewhere)
{
	spoil.netobj = _i ? netobj_in_a_block : netobj_that_is_freed_in_parts;
	refused_for("counted bytes are decoded from the window");
}
END_TEST

static bool decode_first(struct svc_req *req)
{
	bool done = req->rq_msg.rm_xdr.proc(req->rq_xdrs,
					    req->rq_msg.rm_xdr.where);

	SVC_CHECKSUM(req, req->rq_xdrs->x_data, 4);
	return done;
}

START_TEST(checksum_is_late)
{
	static struct svc_auth_ops ops = {.svc_ah_checksum = decode_first};

	spoil.auth = &ops;
	refused_for("a call's checksum is asked for");
}
END_TEST

static void add_a_word(XDR *xdrs)
{
	XDR_PUTUINT32(xdrs, 0);
}

static bool same_checksum(struct svc_req *req)
{
	SVC_CHECKSUM(req, req->rq_xdrs->x_data, 4);
	return req->rq_msg.rm_xdr.proc(req->rq_xdrs, req->rq_msg.rm_xdr.where);
}

static bool wrap_nothing(struct svc_req *req, XDR *xdrs)
{
	(void)req;
	(void)xdrs;
	return true;
}

START_TEST(results_are_not_last)
{
	static struct svc_auth_ops ops = {.svc_ah_checksum = same_checksum,
					  .svc_ah_wrap = wrap_nothing};

	if (_i == 0)
		spoil.replied = add_a_word;
	else if (_i == 1)
		spoil.auth = &ops;
	else
		spoil.sent = keep_reply;
	refused_for("a reply goes to xp_reply, and its results are asked for last");
}
END_TEST

static void cut(struct xdr_uio *uio)
{
	uio->uio_vio[0].vio_tail -= 3;
}

static void refer_elsewhere(struct xdr_uio *uio)
{
	uio->uio_vio[0].vio_head++;
}

START_TEST(data_are_elsewhere)
{
	spoil.data = _i ? cut : refer_elsewhere;
	refused_for("a reply refers to the data of a READ");
}
END_TEST

START_TEST(reply_comes_late)
{
	spoil.late = 3;
	ck_assert_msg(!facts_find(&facts, why, sizeof(why)), "%s", why);
	ck_assert_uint_eq(spoil.late, 0);
}
END_TEST

static SVCXPRT *made[16];
static unsigned int nr_made;

static void note_all_made(SVCXPRT *xprt)
{
	ck_assert_uint_lt(nr_made, 16);
	made[nr_made++] = xprt;
}

static void are_left_by_the_reaper(CLIENT *client)
{
	(void)client;
	for (unsigned int i = 0; i < nr_made; i++)
		ck_assert(made[i]->xp_flags & SVC_XPRT_FLAG_UREG);
}

START_TEST(reaper_takes_none)
{
	spoil.xprt = note_all_made;
	spoil.client = are_left_by_the_reaper;
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	ck_assert_uint_ge(nr_made, 4);
}
END_TEST

/* _i transports can be created, where all take four. */
START_TEST(server_is_full)
{
	nfs_param.core_param.rpc.max_connections = CONNECTIONS;
	for (int i = _i; i < CONNECTIONS; i++)
		ck_assert_ptr_nonnull(
			svc_vc_ncreatef(socket(AF_INET, SOCK_STREAM, 0), 0, 0,
					SVC_CREATE_FLAG_XPRT_NOREG));
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), -EUSERS);
	ck_assert_msg(
		strstr(why,
		       "no transport can be made, there are 64 connections at most"),
		"it says: %s", why);
}
END_TEST

/* _i descriptors can be opened, where all take more. */
START_TEST(no_descriptors)
{
	struct rlimit limit;
	int first = dup(0);

	close(first);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)(first + _i);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), -EMFILE);
	ck_assert_msg(strstr(why, "cannot create a transport to probe ntirpc: Too many"),
		      "it says: %s", why);
}
END_TEST

/* While a probe waits for an event that does not come then. */
START_TEST(server_stops)
{
	spoil.stops = true;
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), -ESHUTDOWN);
	ck_assert_str_eq(why, "the server stops");
}
END_TEST

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* ntirpc closes a destroyed transport on its own thread. */
START_TEST(nothing_is_left)
{
	unsigned int before;

	/* Channels of the first starts stay. */
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	before = descriptors();
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	while (descriptors() > before + 4)
		sched_yield();
}
END_TEST

/* Nor where a probe ends early. */
START_TEST(nothing_is_left_of_a_refusal)
{
	unsigned int before = 0;

	spoil.unregistered = true;
	for (int i = 0; i < 108; i++) {
		if (i == 8)
			before = descriptors();
		ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), -ENOMEM);
	}
	while (descriptors() > before + 4)
		sched_yield();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("facts");
	TCase *tcase = tcase_create("facts");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, all_hold);
	tcase_add_test(tcase, queue_is_elsewhere);
	tcase_add_test(tcase, call_is_not_queued);
	tcase_add_loop_test(tcase, transport_is_not_fresh, 0, 4);
	tcase_add_loop_test(tcase, tables_are_filled_again, 0, 2);
	tcase_add_test(tcase, call_is_not_whole);
	tcase_add_test(tcase, call_is_decoded_elsewhere);
	tcase_add_test(tcase, references_are_others);
	tcase_add_loop_test(tcase, event_is_not_one, 0, 2);
	tcase_add_loop_test(tcase, end_is_another, 0, 3);
	tcase_add_loop_test(tcase, payload_is_elsewhere, 0, 2);
	tcase_add_test(tcase, checksum_is_late);
	tcase_add_loop_test(tcase, results_are_not_last, 0, 3);
	tcase_add_loop_test(tcase, data_are_elsewhere, 0, 2);
	tcase_add_test(tcase, reply_comes_late);
	tcase_add_test(tcase, reaper_takes_none);
	tcase_add_loop_test(tcase, server_is_full, 0, 4);
	tcase_add_loop_test(tcase, no_descriptors, 0, 11);
	tcase_add_test(tcase, server_stops);
	tcase_add_test(tcase, nothing_is_left);
	tcase_add_test(tcase, nothing_is_left_of_a_refusal);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
