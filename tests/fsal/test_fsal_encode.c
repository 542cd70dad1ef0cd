/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a reply in pages equals, byte for byte, what ntirpc would send, in
 * every state of a reply, wherever its parts cross page boundaries.  Referenced
 * data is released once, whether the reply was sent or not; space for
 * RPCSEC_GSS is in the right place; without pages there is an error, and
 * nothing is lost.
 *
 * Method: replies are encoded into pages, sent through a send list to a socket,
 * and compared with what ntirpc's own functions encode into one block.  Results
 * of every length over two page boundaries; data in one, two and no pieces; a
 * flavour that seals as ntirpc's RPCSEC_GSS does.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <rpc/svc_auth.h>
#include <rpcbuf/out.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fsal/encode.h"
#include "fsal/xdr_pages.h"
#include "rpcbuf/os/bits.h"

#define MEMORY	((uint64_t)2 << 20)
#define LONGEST ((size_t)64 << 10)
#define SEAL	32u /* bytes of a header, and of a trailer */

static struct rpcbuf *mm;
static struct rpcbuf_out *out;
static int peer, fd;
static uint8_t got[LONGEST], wanted[LONGEST];

static void setup(void)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	int fds[2];

	options.memory = MEMORY;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	ck_assert_int_eq(encode_start(mm), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	fd = fds[0];
	peer = fds[1];
	ck_assert_int_eq(rpcbuf_out_create(&out, fd), 0);
}

static void teardown(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_out_free(out);
	encode_stop();
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 0);
	ck_assert_int_eq(rpcbuf_destroy(mm), 0);
	close(fd);
	close(peer);
}

/* Results: @length bytes behind their count, as an opaque. */
struct text {
	uint32_t length;
	char bytes[16384];
};

static bool encode_text(XDR *xdrs, void *arg)
{
	struct text *text = arg;

	return xdr_opaque_encode(xdrs, text->bytes, text->length);
}

static bool wrap_plain(struct svc_req *req, XDR *xdrs)
{
	struct xdrpair *results = &req->rq_msg.RPCM_ack.ar_results;

	return results->proc(xdrs, results->where);
}

static struct svc_auth_ops plain_ops = {.svc_ah_wrap = wrap_plain};
static SVCAUTH plain = {.svc_ah_ops = &plain_ops};
static struct text text;

static void request_init(struct svc_req *req)
{
	memset(req, 0, sizeof(*req));
	for (size_t i = 0; i < sizeof(text.bytes); i++)
		text.bytes[i] = (char)(i * 7 + i / 251);
	req->rq_auth = &plain;
	req->rq_msg.rm_xid = 0x12345678;
	req->rq_msg.rm_direction = REPLY;
	req->rq_msg.rm_reply.rp_stat = MSG_ACCEPTED;
	req->rq_msg.RPCM_ack.ar_stat = SUCCESS;
	req->rq_msg.RPCM_ack.ar_results.proc = (xdrproc_t)encode_text;
	req->rq_msg.RPCM_ack.ar_results.where = (void *)&text;
}

/* Sends it, and returns the number of received bytes: the whole record, mark
 * included. */
static size_t send_and_get(struct svc_req *req)
{
	struct xdrpair before = req->rq_msg.RPCM_ack.ar_results;
	struct rpcbuf_reply *reply;
	size_t len, at = 0;

	ck_assert_int_eq(encode_reply(req, NULL, &reply), 0);
	ck_assert_mem_eq(&before, &req->rq_msg.RPCM_ack.ar_results,
			 sizeof(before));
	len = rpcbuf_reply_bytes(reply);
	ck_assert_int_eq(rpcbuf_out_send(out, reply, false), 0);
	while (at < len) {
		ssize_t n = recv(peer, got + at, len - at, 0);

		ck_assert_int_gt(n, 0);
		at += (size_t)n;
	}
	return len;
}

/* Encodes it with ntirpc, in one block. */
static size_t want(struct svc_req *req)
{
	uint32_t mark;
	size_t len;
	XDR xdrs;

	xdrmem_ncreate(&xdrs, (char *)wanted + sizeof(mark),
		       LONGEST - sizeof(mark), XDR_ENCODE);
	ck_assert(xdr_nreplymsg(&xdrs, &req->rq_msg));
	len = XDR_GETPOS(&xdrs);
	mark = htonl((uint32_t)len | 0x80000000u);
	memcpy(wanted, &mark, sizeof(mark));
	return len + sizeof(mark);
}

static void same(struct svc_req *req)
{
	size_t len = want(req);

	ck_assert_uint_eq(send_and_get(req), len);
	ck_assert_mem_eq(got, wanted, len);
}

START_TEST(every_length)
{
	struct svc_req req;

	request_init(&req);
	for (text.length = 0; text.length < 3 * 4096; text.length++)
		same(&req);
}
END_TEST

START_TEST(every_verifier)
{
	struct svc_req req;
	struct opaque_auth *verf;

	request_init(&req);
	verf = &req.rq_msg.RPCM_ack.ar_verf;
	verf->oa_flavor = RPCSEC_GSS;
	memset(verf->oa_body, 0x5a, MAX_AUTH_BYTES);
	text.length = 100;
	for (unsigned int n = 0; n <= MAX_AUTH_BYTES; n++) {
		verf->oa_length = n;
		same(&req);
	}
}
END_TEST

START_TEST(every_state)
{
	const enum accept_stat accepted[] = {PROG_UNAVAIL, PROG_MISMATCH,
					     PROC_UNAVAIL, GARBAGE_ARGS,
					     SYSTEM_ERR};
	struct svc_req req;

	for (unsigned int i = 0; i < 5; i++) {
		request_init(&req);
		req.rq_msg.RPCM_ack.ar_stat = accepted[i];
		req.rq_msg.RPCM_ack.ar_vers.low = 3;
		req.rq_msg.RPCM_ack.ar_vers.high = 4;
		same(&req);
	}
	request_init(&req);
	req.rq_msg.rm_reply.rp_stat = MSG_DENIED;
	req.rq_msg.RPCM_rej.rj_stat = RPC_MISMATCH;
	req.rq_msg.RPCM_rej.rj_vers.low = 2;
	req.rq_msg.RPCM_rej.rj_vers.high = 2;
	same(&req);
	for (int why = AUTH_BADCRED; why <= (int)RPCSEC_GSS_CTXPROBLEM; why++) {
		req.rq_msg.RPCM_rej.rj_stat = AUTH_ERROR;
		req.rq_msg.RPCM_rej.rj_why = (enum auth_stat)why;
		same(&req);
	}
}
END_TEST

/* Referenced data, with bytes before and behind it. */
struct data {
	struct xdr_uio uio;
	struct xdr_vio vio[2]; /* uio_vio */
	unsigned int front;    /* words */
	unsigned int released;
	bool fail;
	uint8_t bytes[8192];
};

static struct data data;

static void release_data(struct xdr_uio *uio, u_int flags)
{
	(void)flags;
	ck_assert_ptr_eq(uio, &data.uio);
	if (!--uio->uio_references)
		data.released++;
}

static bool put_data(XDR *xdrs, void *arg)
{
	bool put;

	(void)arg;
	for (uint32_t i = 0; i < data.front; i++)
		if (!xdr_putuint32(xdrs, i))
			return false;
	put = xdr_putbufs(xdrs, &data.uio, UIO_FLAG_NONE);
	if (!put)
		data.uio.uio_release(&data.uio, UIO_FLAG_NONE);
	return put && xdr_putuint32(xdrs, 0xfeedbeef) && !data.fail;
}

static void data_init(struct svc_req *req, size_t pieces, size_t each)
{
	request_init(req);
	memset(&data, 0, sizeof(data));
	for (size_t i = 0; i < sizeof(data.bytes); i++)
		data.bytes[i] = (uint8_t)(i * 3 + 1);
	data.uio.uio_release = release_data;
	data.uio.uio_count = pieces;
	for (size_t i = 0; i < pieces; i++)
		data.vio[i] = (struct xdr_vio){
			.vio_base = data.bytes + i * each,
			.vio_head = data.bytes + i * each,
			.vio_tail = data.bytes + (i + 1) * each,
			.vio_wrap = data.bytes + (i + 1) * each,
			/* As READ of v4: without padding of the buffer. */
			.vio_length = (uint32_t)each - 1,
			.vio_type = VIO_DATA,
		};
	req->rq_msg.RPCM_ack.ar_results.proc = (xdrproc_t)put_data;
}

START_TEST(data_is_referred_to)
{
	struct svc_req req;

	for (unsigned int pieces = 0; pieces <= 2; pieces++)
		for (unsigned int front = 900; front < 1000; front++) {
			size_t each = 4096, at = 28 + front * 4, len;
			uint32_t word;

			data_init(&req, pieces, each);
			data.front = front;
			len = send_and_get(&req);
			ck_assert_uint_eq(len, at + pieces * each + 4);
			ck_assert_mem_eq(got + at, data.bytes, pieces * each);
			memcpy(&word, got + len - 4, 4);
			ck_assert_uint_eq(ntohl(word), 0xfeedbeef);
			rpcbuf_out_flush(out, 0);
			ck_assert_uint_eq(data.released, 1);
		}
}
END_TEST

START_TEST(failed_results_are_released)
{
	struct rpcbuf_reply *reply = NULL;
	struct svc_req req;

	data_init(&req, 2, 100);
	data.fail = true;
	ck_assert_int_eq(encode_reply(&req, NULL, &reply), -EINVAL);
	ck_assert_ptr_null(reply);
	ck_assert_uint_eq(data.released, 1);
}
END_TEST

static bool encode_nothing(XDR *xdrs, void *arg)
{
	(void)xdrs;
	(void)arg;
	return true;
}

/* Of v3, with data in pages that the reply did not refer to: its own block was
 * never read into. */
START_TEST(read_without_its_data)
{
	READ3res res = {.status = NFS3_OK};
	struct rpcbuf_reply *reply = NULL;
	struct xdr_pages pages;
	struct rpcbuf_call call = {.private_data = &pages};
	struct svc_req req;

	request_init(&req);
	req.rq_xdrs = &xdr_pages_create(&call, &req)->xdr;
	req.rq_msg.cb_vers = NFS_V3;
	req.rq_msg.cb_proc = NFSPROC3_READ;
	req.rq_msg.RPCM_ack.ar_results.proc = (xdrproc_t)encode_nothing;
	req.rq_msg.RPCM_ack.ar_results.where = (void *)&res;
	pages.read.first = got;
	ck_assert_int_eq(encode_reply(&req, NULL, &reply), -EINVAL);
	ck_assert_ptr_null(reply);
	res.status = NFS3ERR_IO;
	ck_assert_int_eq(encode_reply(&req, NULL, &reply), 0);
	rpcbuf_reply_free(reply);
	res.status = NFS3_OK;
	pages.read.first = NULL;
	ck_assert_int_eq(encode_reply(&req, NULL, &reply), 0);
	rpcbuf_reply_free(reply);
}
END_TEST

/* All other pages are allocated; replies use the reserve. */
START_TEST(reserve_and_beyond)
{
	static void *all[MEMORY >> RPCBUF_PAGE_SHIFT];
	struct rpcbuf_reply *replies[128] = {NULL};
	unsigned int nr = 0, taken = 0;
	struct svc_req req;
	int err = 0;

	request_init(&req);
	text.length = 100;
	/* Twice: pages that a reply releases serve replies again. */
	for (int round = 0; round < 2; round++) {
		while (nr)
			rpcbuf_reply_free(replies[--nr]);
		while (taken < sizeof(all) / sizeof(*all) &&
		       (all[taken] = rpcbuf_alloc_page(mm, RPCBUF_GFP_NOWAIT)))
			taken++;
		while (nr < 128 &&
		       !(err = encode_reply(&req, NULL, &replies[nr])))
			nr++;
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_uint_ge(nr, 16);
	}
	/* Data that it would have referred to is not lost either. */
	data_init(&req, 2, 100);
	ck_assert_int_eq(encode_reply(&req, NULL, &replies[nr]), -ENOMEM);
	ck_assert_uint_eq(data.uio.uio_references, 0);
	for (unsigned int i = 0; i < nr; i++)
		rpcbuf_reply_free(replies[i]);
	rpcbuf_free_bulk_array(mm, taken, all);
	request_init(&req);
	same(&req);
}
END_TEST

/* A flavour that uses the stream as ntirpc's RPCSEC_GSS does
 * (xdr_rpc_gss_wrap()): a count before, a header in front of the data and a
 * trailer behind it, or for integrity a count and a trailer. */
static bool privacy;

static bool wrap_sealed(struct svc_req *req, XDR *xdrs)
{
	u_int start = XDR_GETPOS(xdrs), len;
	xdr_vio v[64];
	int nr, i = privacy ? 1 : 0, total;

	memset(v, 0, sizeof(v));
	if (!XDR_PUTUINT32(xdrs, 0xaaaaaaaa) ||
	    (privacy && !XDR_NEWBUF(xdrs)) || !wrap_plain(req, xdrs))
		return false;
	len = XDR_GETPOS(xdrs) - start - 4;
	nr = XDR_IOVCOUNT(xdrs, start + 4, len);
	ck_assert_int_gt(nr, 0);
	ck_assert_int_lt(nr, 60);
	ck_assert(XDR_FILLBUFS(xdrs, start + 4, v + i, len));
	v[0].vio_type = privacy ? VIO_HEADER : VIO_DATA;
	if (privacy)
		v[0].vio_length = SEAL;
	total = nr + i;
	v[total].vio_type = privacy ? VIO_TRAILER : VIO_TRAILER_LEN;
	v[total].vio_length = privacy ? 0 : 4;
	v[total + 1].vio_type = VIO_TRAILER;
	v[total + 1].vio_length = SEAL;
	ck_assert(XDR_SETPOS(xdrs, start));
	ck_assert(XDR_PUTUINT32(xdrs, len));
	ck_assert(XDR_ALLOCHDRS(xdrs, start + 4, v, total + 2));
	/* Sealed in place. */
	for (int k = i; k < total; k++)
		for (uint32_t b = 0; b < v[k].vio_length; b++)
			v[k].vio_head[b] ^= 0xff;
	if (privacy)
		memset(v[0].vio_head, 'h', SEAL);
	memset(v[total + 1].vio_head, 't', SEAL);
	return XDR_PUTUINT32(xdrs, 0xfeedbeef);
}

static uint8_t *put_word(uint8_t *at, uint32_t word)
{
	word = htonl(word);
	memcpy(at, &word, sizeof(word));
	return at + sizeof(word);
}

static uint8_t *put_seal(uint8_t *at, char what)
{
	memset(at, what, SEAL);
	return at + SEAL;
}

static void check_sealed(const struct text *clear, size_t len)
{
	uint32_t padded = RNDUP(clear->length);
	uint8_t *at = put_word(wanted, padded);

	if (privacy)
		at = put_seal(at, 'h');
	for (uint32_t i = 0; i < padded; i++)
		*at++ = (uint8_t) ~(i < clear->length ? clear->bytes[i] : 0);
	if (!privacy)
		at = put_word(at, SEAL);
	at = put_word(put_seal(at, 't'), 0xfeedbeef);
	ck_assert_uint_eq(len, 28 + (size_t)(at - wanted));
	ck_assert_mem_eq(got + 28, wanted, (size_t)(at - wanted));
}

START_TEST(sealed_results)
{
	struct svc_auth_ops ops = {.svc_ah_wrap = wrap_sealed};
	SVCAUTH auth = {.svc_ah_ops = &ops};
	struct svc_req req;

	privacy = _i;
	request_init(&req);
	req.rq_auth = &auth;
	for (text.length = 1; text.length < 2 * 4096 + 100; text.length += 3) {
		check_sealed(&text, send_and_get(&req));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("encode");
	TCase *tcase = tcase_create("encode");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, every_length);
	tcase_add_test(tcase, every_verifier);
	tcase_add_test(tcase, every_state);
	tcase_add_test(tcase, data_is_referred_to);
	tcase_add_test(tcase, failed_results_are_released);
	tcase_add_test(tcase, read_without_its_data);
	tcase_add_test(tcase, reserve_and_beyond);
	tcase_add_loop_test(tcase, sealed_results, 0, 2);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
