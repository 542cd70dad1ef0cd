/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the data of a READ are read into pages of the budget and sent from
 * there, whatever their length; the server's block is freed once, and no
 * earlier contents of the pages are sent.  Where pages cannot be used, the
 * block is; hanging reads take only a part of the budget.
 *
 * Method: the plug-in's part of read2() runs on a call's read_data, with the
 * server's own functions before (its block) and after (its encoding of
 * READ4resok into a reply in pages); the bytes of the reply are compared with
 * what the same functions encode into one block.  Pages are filled with marks
 * beforehand.
 */
#include <arpa/inet.h>
#include <check.h>
#include <malloc.h>
#include <rpcbuf/mempool.h>
#include <string.h>

#include "fsal/request.h"
#include "fsal/xdr_reply.h"
#include "nfsv41.h"
#include "rpcbuf/engine/reply.h"

#define MEMORY	((uint64_t)16 << 20)
#define LONGEST ((size_t)1 << 20)
#define MARK	0xee

static struct rpcbuf *mm;
static struct rpcbuf_mempool *reserve;
static uint8_t got[LONGEST + 4096], wanted[LONGEST + 4096];

/* All pages have been used before. */
static void mark_pages(void)
{
	unsigned int nr = MEMORY >> RPCBUF_PAGE_SHIFT;
	void *pages[MEMORY >> RPCBUF_PAGE_SHIFT] = {0};
	unsigned int had;

	had = rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOWAIT, nr, pages);
	for (unsigned int i = 0; i < had; i++)
		memset(pages[i], MARK, RPCBUF_PAGE_SIZE);
	rpcbuf_free_bulk_array(mm, had, pages);
}

static void setup(void)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	options.memory = MEMORY;
	options.no_thread = true;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	ck_assert_int_eq(rpcbuf_mempool_create(&reserve, mm, 8), 0);
	mark_pages();
	read_start(mm);
}

static unsigned int out(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return (unsigned int)counts.pages_out;
}

static void teardown(void)
{
	ck_assert_uint_eq(out(), 0);
	rpcbuf_mempool_destroy(reserve);
	ck_assert_int_eq(rpcbuf_destroy(mm), 0);
}

struct asked {
	struct fsal_io_arg arg;
	struct iovec iov;
};

/* As the server: allocates its block, of @size bytes and some to round up. */
static struct fsal_io_arg *ask(struct asked *asked, size_t size)
{
	struct fsal_io_arg *arg = &asked->arg;

	memset(asked, 0, sizeof(*asked));
	arg->iov_count = 1;
	arg->iov[0].iov_len = size;
	arg->iov[0].iov_base = gsh_malloc(RNDUP(size));
	memset(arg->iov[0].iov_base, MARK, RNDUP(size));
	return arg;
}

/* As a sub-FSAL: reads @bytes. */
static void fill(struct fsal_io_arg *arg, size_t bytes)
{
	uint8_t *to = arg->iov[0].iov_base;

	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(i * 7 + i / 4093);
	arg->io_amount = bytes;
}

static void result(READ4resok *ok, const struct fsal_io_arg *arg)
{
	ok->eof = false;
	ok->data.data_len = (u_int)arg->io_amount;
	ok->data.data_val = arg->iov[0].iov_base;
}

static size_t bytes_of(struct rpcbuf_reply *reply)
{
	struct iovec iov[32];
	size_t most = SIZE_MAX, at = 0;
	unsigned int nr = reply_gather(reply, iov, 32, &most);

	for (unsigned int i = 0; i < nr; i++) {
		memcpy(got + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	return at;
}

static struct rpcbuf_reply *encode(READ4resok *ok, struct read_data *data)
{
	struct rpcbuf_reply *reply = NULL;
	struct xdr_reply x;

	ck_assert_int_eq(xdr_reply_begin(&x, mm, reserve, NULL, data), 0);
	ck_assert(xdr_READ4resok(&x.xdr, ok));
	ck_assert_int_eq(xdr_reply_end(&x, true, &reply), 0);
	return reply;
}

/* The expected reply to @bytes read, behind its record mark. */
static size_t want(size_t bytes)
{
	uint32_t head[2] = {0, htonl((uint32_t)bytes)};
	size_t len = sizeof(head) + RNDUP(bytes);

	memset(wanted, 0, len);
	memcpy(wanted, head, sizeof(head));
	for (size_t i = 0; i < bytes; i++)
		wanted[sizeof(head) + i] = (uint8_t)(i * 7 + i / 4093);
	return len;
}

static void check(READ4resok *ok, struct read_data *data, size_t bytes)
{
	struct rpcbuf_reply *reply = encode(ok, data);
	size_t len = want(bytes);

	ck_assert_uint_eq(bytes_of(reply), sizeof(uint32_t) + len);
	ck_assert(memcmp(got + sizeof(uint32_t), wanted, len) == 0);
	rpcbuf_reply_free(reply);
}

static const size_t sizes[] = {8192,  8193,  12288,   65535,
			       65536, 65537, 1048573, 1048576};

/* As much as requested, a part of it, one byte, and none. */
START_TEST(every_length)
{
	size_t size = sizes[_i];
	const size_t parts[] = {size, size - 1, size / 2 + 1, 4096, 3, 1, 0};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		struct read_data data = {0};
		struct asked asked;
		struct fsal_io_arg *arg = ask(&asked, size);
		void *block = arg->iov[0].iov_base;
		READ4resok ok;

		ck_assert(read_lend(&data, arg));
		ck_assert_ptr_ne(arg->iov[0].iov_base, block);
		ck_assert(rpcbuf_owns(mm, arg->iov[0].iov_base));
		fill(arg, parts[i]);
		read_done(&data, arg, false);
		ck_assert_ptr_eq(arg->iov[0].iov_base, block);
		/* Pages without a byte are free for others. */
		ck_assert_uint_eq(out(), (parts[i] + 4095) / 4096);
		result(&ok, arg);
		check(&ok, &data, parts[i]);
		read_exit(&data);
		ck_assert_uint_eq(out(), 0);
	}
}
END_TEST

/* A shortened READ, for which no larger block of the server exists
 * meanwhile. */
START_TEST(shortened)
{
	struct read_data data = {0};
	struct asked asked;
	struct fsal_io_arg *arg = ask(&asked, LONGEST);
	struct io_info info;
	READ4resok ok;

	arg->info = &info;
	ck_assert(!read_may_shorten(arg));
	arg->info = NULL;
	ck_assert(read_may_shorten(arg));
	ck_assert(read_shorten(&data, arg));
	ck_assert_uint_eq(arg->iov[0].iov_len, 8192);
	ck_assert_uint_ge(malloc_usable_size(arg->iov[0].iov_base), 8192);
	ck_assert_uint_lt(malloc_usable_size(arg->iov[0].iov_base), 65536);
	ck_assert(!read_may_shorten(arg));
	ck_assert(read_lend(&data, arg));
	ck_assert_uint_eq(out(), 2);
	fill(arg, 8192);
	read_done(&data, arg, false);
	result(&ok, arg);
	check(&ok, &data, 8192);
	read_exit(&data);
	/* Another one of the same call is not shortened. */
	arg = ask(&asked, LONGEST);
	ck_assert(!read_shorten(&data, arg));
	gsh_free(arg->iov[0].iov_base);
}
END_TEST

START_TEST(failed_read)
{
	struct read_data data = {0};
	struct asked asked;
	struct fsal_io_arg *arg = ask(&asked, 65536);
	void *block = arg->iov[0].iov_base;

	ck_assert(read_lend(&data, arg));
	fill(arg, 65536);
	read_done(&data, arg, true);
	ck_assert_ptr_eq(arg->iov[0].iov_base, block);
	ck_assert_ptr_null(data.first);
	gsh_free(block);
}
END_TEST

/* A file system that reports more than requested is not believed. */
START_TEST(more_than_asked)
{
	struct read_data data = {0};
	struct asked asked;
	struct fsal_io_arg *arg = ask(&asked, 65536);
	READ4resok ok;

	ck_assert(read_lend(&data, arg));
	fill(arg, 65536);
	arg->io_amount = 70000;
	read_done(&data, arg, false);
	ck_assert_uint_eq(out(), 16);
	result(&ok, arg);
	check(&ok, &data, 65536);
}
END_TEST

/* Unread data takes an eighth of the budget at most: others find pages. */
START_TEST(hangs)
{
	const unsigned int most = (MEMORY >> RPCBUF_PAGE_SHIFT) / 8 / 16;
	static struct read_data data[40];
	static struct asked asked[40];
	unsigned int nr = 0;

	while (nr < 40 && read_lend(&data[nr], ask(&asked[nr], 65536)))
		nr++;
	ck_assert_uint_eq(nr, most);
	gsh_free(asked[nr].arg.iov[0].iov_base);
	while (nr--) {
		READ4resok ok;

		fill(&asked[nr].arg, 65536);
		read_done(&data[nr], &asked[nr].arg, false);
		result(&ok, &asked[nr].arg);
		check(&ok, &data[nr], 65536);
	}
	/* A call that ends before its data are read. */
	ck_assert(read_lend(&data[0], ask(&asked[0], 65536)));
	gsh_free(data[0].block);
	read_exit(&data[0]);
	for (nr = 0; read_lend(&data[nr], ask(&asked[nr], 65536)); nr++)
		;
	ck_assert_uint_eq(nr, most);
	gsh_free(asked[nr].arg.iov[0].iov_base);
	while (nr--) {
		gsh_free(data[nr].block);
		read_exit(&data[nr]);
	}
}
END_TEST

/* Another READ of the same COMPOUND uses the server's block, and both are
 * sent. */
START_TEST(two_of_a_call)
{
	struct read_data data = {0};
	struct asked one, two;
	READ4resok ok;

	ck_assert(read_lend(&data, ask(&one, 65536)));
	fill(&one.arg, 65536);
	read_done(&data, &one.arg, false);
	ck_assert(!read_lend(&data, ask(&two, 32768)));
	fill(&two.arg, 32768);
	result(&ok, &two.arg);
	check(&ok, &data, 32768);
	ck_assert_ptr_nonnull(data.first);
	result(&ok, &one.arg);
	check(&ok, &data, 65536);
	ck_assert_ptr_null(data.first);
}
END_TEST

/* Short READs, those that look for holes, and several places. */
START_TEST(not_lent)
{
	struct read_data data = {0};
	struct asked asked;
	struct io_info info;
	struct fsal_io_arg *arg = ask(&asked, 8191);
	void *block = arg->iov[0].iov_base;

	ck_assert(!read_lend(&data, arg));
	arg->iov[0].iov_len = 8192;
	arg->info = &info;
	ck_assert(!read_lend(&data, arg));
	arg->info = NULL;
	arg->iov_count = 2;
	ck_assert(!read_lend(&data, arg));
	ck_assert_ptr_eq(arg->iov[0].iov_base, block);
	gsh_free(block);
}
END_TEST

/* Without pages, and while others wait for them. */
START_TEST(no_pages)
{
	unsigned int nr = MEMORY >> RPCBUF_PAGE_SHIFT, had;
	void *pages[MEMORY >> RPCBUF_PAGE_SHIFT] = {0};
	struct rpcbuf_waiter waiter = {0};
	struct read_data data = {0};
	struct asked asked;
	struct fsal_io_arg *arg = ask(&asked, 65536);

	had = rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOWAIT, nr, pages);
	ck_assert(!read_lend(&data, arg));
	rpcbuf_free_bulk_array(mm, had, pages);
	rpcbuf_wait_join(mm, &waiter);
	ck_assert(!read_lend(&data, arg));
	rpcbuf_wait_leave(&waiter);
	ck_assert(read_lend(&data, arg));
	gsh_free(data.block);
	/* A call that ends without a reply. */
	read_exit(&data);
}
END_TEST

/* Data that the server may encode a second time stays in its block. */
START_TEST(cached)
{
	nfs_argop4 ops[2] = {{.argop = NFS4_OP_PUTFH}, {.argop = NFS4_OP_READ}};
	nfs_request_t request = {.lookahead.flags = NFS_LOOKAHEAD_READ};
	COMPOUND4args *args = &request.arg_nfs.arg_compound4;
	struct svc_req *req = &request.svc;

	req->rq_msg.cb_vers = NFS_V3;
	ck_assert(!request_is_cached(req));
	req->rq_msg.cb_vers = NFS_V4;
	args->argarray.argarray_len = 2;
	args->argarray.argarray_val = ops;
	ck_assert(!request_is_cached(req));
	request.lookahead.flags |= NFS_LOOKAHEAD_CREATE;
	ck_assert(request_is_cached(req));
	args->minorversion = 1;
	ck_assert(request_is_cached(req));
	ops[0].argop = NFS4_OP_SEQUENCE;
	ck_assert(!request_is_cached(req));
	ops[0].nfs_argop4_u.opsequence.sa_cachethis = true;
	ck_assert(request_is_cached(req));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("read");
	TCase *tcase = tcase_create("read");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, every_length, 0,
			    sizeof(sizes) / sizeof(*sizes));
	tcase_add_test(tcase, shortened);
	tcase_add_test(tcase, failed_read);
	tcase_add_test(tcase, more_than_asked);
	tcase_add_test(tcase, hangs);
	tcase_add_test(tcase, cached);
	tcase_add_test(tcase, two_of_a_call);
	tcase_add_test(tcase, not_lent);
	tcase_add_test(tcase, no_pages);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
