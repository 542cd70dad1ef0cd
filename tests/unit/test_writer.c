/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: whatever is written, referred to, overwritten and inserted, the record
 * is those bytes in that order, behind its mark; unused pages are released, and
 * nothing is lost at the ends of pages.
 * Method: random operations on a writer and on a flat array beside it; the
 * record is sent to a socket and compared.  The same with so many pages left,
 * and no more.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <rpcbuf/out.h>
#include <rpcbuf/record.h>
#include <rpcbuf/writer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mm_util.h"
#include "rpcbuf/engine/respages.h"
#include "until_util.h"

#define ROUNDS	400
#define LONGEST (200u << 10)

static struct rpcbuf *mm;
static struct rpcbuf_mempool *pages;
static uint8_t flat[LONGEST + 2 * RPCBUF_PAGE_SIZE], lent[RPCBUF_PAGE_SIZE];
static uint8_t got[sizeof(flat) + RPCBUF_MARK_SIZE];
static uint32_t length;

static void setup(void)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	options.memory = 8 << 20;
	must(!rpcbuf_create(&mm, &options));
	must(!rpcbuf_mempool_create(&pages, mm, 32));
	for (size_t i = 0; i < sizeof(lent); i++)
		lent[i] = (uint8_t)(i * 5 + 3);
}

static void teardown(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	must(!rpcbuf_mempool_destroy(pages));
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 0);
	must(!rpcbuf_destroy(mm));
}

static void check_record(struct rpcbuf_reply *reply)
{
	size_t all = length + RPCBUF_MARK_SIZE, at = 0;
	struct rpcbuf_out *out;
	uint32_t mark;
	int fds[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	must(!rpcbuf_out_create(&out, fds[0]));
	ck_assert_uint_eq(rpcbuf_reply_bytes(reply), all);
	must(!rpcbuf_out_send(out, reply, false));
	while (at < all) {
		ssize_t n = recv(fds[1], got + at, all - at, 0);

		must(n > 0);
		at += (size_t)n;
		rpcbuf_out_flush(out, 0);
	}
	memcpy(&mark, got, sizeof(mark));
	ck_assert_uint_eq(ntohl(mark), length | RPCBUF_MARK_LAST);
	ck_assert_mem_eq(got + RPCBUF_MARK_SIZE, flat, length);
	rpcbuf_out_free(out);
	close(fds[0]);
	close(fds[1]);
}

/* Bytes in front of @at, in the array. */
static void put_between(uint32_t at, const void *from, uint32_t len)
{
	memmove(flat + at + len, flat + at, length - at);
	memcpy(flat + at, from, len);
	length += len;
}

static bool write_some(struct rpcbuf_writer *w, uint64_t *seed)
{
	uint32_t len = (uint32_t)test_below(seed, 3000);

	memset(flat + length, (int)test_below(seed, 256), len);
	if (rpcbuf_writer_put(w, flat + length, len))
		return false;
	length += len;
	return true;
}

static bool refer_some(struct rpcbuf_writer *w, uint64_t *seed)
{
	uint32_t len = (uint32_t)test_below(seed, sizeof(lent));

	if (rpcbuf_writer_refer(w, lent, len))
		return false;
	memcpy(flat + length, lent, len);
	length += len;
	return true;
}

/* As a seal does: overwrites a word, inserts a header before and a trailer
 * behind. */
static bool seal_some(struct rpcbuf_writer *w, uint64_t *seed)
{
	uint32_t start = length, word = (uint32_t)test_random(seed);
	void *at;

	if ((w->end - w->at < 4 && rpcbuf_writer_next_page(w)) ||
	    rpcbuf_writer_put(w, "\0\0\0\0", 4) || rpcbuf_writer_next_page(w))
		return false;
	length += 4;
	if (!write_some(w, seed) || !refer_some(w, seed) ||
	    !write_some(w, seed))
		return false;
	ck_assert_int_eq(0, rpcbuf_writer_seek(w, start));
	ck_assert_int_eq(0, rpcbuf_writer_put(w, &word, sizeof(word)));
	memcpy(flat + start, &word, sizeof(word));
	if (rpcbuf_writer_insert(w, start + 4, 24, &at))
		return false;
	memset(at, 'h', 24);
	put_between(start + 4, at, 24);
	if (rpcbuf_writer_append(w, 40, &at))
		return false;
	memset(at, 't', 40);
	put_between(length, at, 40);
	return true;
}

/* Bytes at any position are those that were written there. */
static void look_back(struct rpcbuf_writer *w, uint64_t *seed)
{
	static struct iovec iov[1024];
	uint32_t from = (uint32_t)test_below(seed, length + 1), at = from;
	uint32_t len = (uint32_t)test_below(seed, length - from + 1);
	int nr = rpcbuf_writer_iov(w, from, len, NULL);

	ck_assert_int_ge(nr, 0);
	ck_assert_int_lt(nr, 1024);
	ck_assert_int_eq(rpcbuf_writer_iov(w, from, len, iov), nr);
	for (int i = 0; i < nr; at += (uint32_t)iov[i++].iov_len)
		ck_assert_mem_eq(iov[i].iov_base, flat + at, iov[i].iov_len);
	ck_assert_uint_eq(at, from + len);
	ck_assert_int_eq(rpcbuf_writer_iov(w, from, length - from + 1, NULL),
			 -ERANGE);
	ck_assert_int_eq(rpcbuf_writer_seek(w, length + 1), -ERANGE);
	ck_assert_int_eq(0, rpcbuf_writer_seek(w, length));
	ck_assert_uint_eq(rpcbuf_writer_position(w), length);
}

static bool write_record(struct rpcbuf_writer *w, uint64_t *seed)
{
	static bool (*const some[])(struct rpcbuf_writer *, uint64_t *) = {
		write_some, write_some, refer_some, seal_some};
	uint32_t most = (uint32_t)test_below(seed, LONGEST - 20000);

	length = 0;
	while (length < most) {
		if (!some[test_below(seed, 4)](w, seed))
			return false;
		look_back(w, seed);
	}
	return true;
}

START_TEST(any_record)
{
	struct rpcbuf_respages respages = {0};
	uint64_t seed = test_seed();

	for (int i = 0; i < ROUNDS; i++) {
		struct rpcbuf_reply *reply;
		struct rpcbuf_writer w;

		ck_assert_int_eq(rpcbuf_writer_begin(&w, mm, pages,
						     i % 3 ? &respages : NULL),
				 0);
		ck_assert(write_record(&w, &seed));
		if (i % 10 == 9) {
			ck_assert_int_eq(rpcbuf_writer_end(&w, false, &reply),
					 -ECANCELED);
			continue;
		}
		ck_assert_int_eq(rpcbuf_writer_end(&w, true, &reply), 0);
		check_record(reply);
		if (i % 3 == 1)
			ck_assert_int_eq(0,
					 respages_fill(&respages, mm, pages));
	}
	respages_release(&respages, pages);
}
END_TEST

static uint8_t memory[2 * LONGEST];
static uint32_t memory_used, flushed;
static bool may_flush;

/* Bytes written since the last time leave: they are correct. */
static void flush(struct rpcbuf_writer *w)
{
	static struct iovec iov[1024];
	uint32_t at = flushed, len = rpcbuf_writer_length(w);
	int nr = rpcbuf_writer_iov(w, at, len, iov);

	ck_assert_int_ge(nr, 0);
	ck_assert_int_lt(nr, 1024);
	for (int i = 0; i < nr; at += (uint32_t)iov[i++].iov_len)
		memcpy(got + at, iov[i].iov_base, iov[i].iov_len);
	ck_assert_uint_eq(at, flushed + len);
	flushed = at;
	rpcbuf_writer_flush(w);
	ck_assert_uint_eq(rpcbuf_writer_length(w), 0);
	ck_assert_uint_eq(rpcbuf_writer_position(w), flushed);
	ck_assert(!flushed || rpcbuf_writer_seek(w, flushed - 1));
	ck_assert_int_eq(0, rpcbuf_writer_seek(w, flushed));
}

static uint8_t *more_memory(struct rpcbuf_writer *w, uint32_t *room)
{
	*room = 1 + memory_used % 5000;
	if (memory_used + *room > sizeof(memory))
		return NULL;
	if (may_flush && memory_used % 3 == 0)
		flush(w);
	memory_used += *room;
	return memory + memory_used - *room;
}

/* Goes back to own bytes, over one page or more, and overwrites them, up to the
 * next reference. */
static void overwrite_some(struct rpcbuf_writer *w, uint64_t *seed,
			   const bool *own)
{
	uint32_t from, len = 0, most = (uint32_t)test_below(seed, 9000);

	if (length == flushed)
		return;
	from = flushed + (uint32_t)test_below(seed, length - flushed);
	while (len < most && from + len < length && own[from + len])
		len++;
	if (!own[from] && from && !own[from - 1] && from > flushed) {
		/* At its start, or within it. */
		bool there = !rpcbuf_writer_seek(w, from);

		ck_assert(!there || rpcbuf_writer_put(w, "x", 1) == -EINVAL);
	} else if (own[from]) {
		memset(flat + from, (int)test_below(seed, 256), len);
		ck_assert_int_eq(0, rpcbuf_writer_seek(w, from));
		ck_assert_int_eq(0, rpcbuf_writer_put(w, flat + from, len));
	}
	ck_assert_int_eq(0, rpcbuf_writer_seek(w, length));
}

/* The same in memory of another owner, which may send it in parts. */
START_TEST(in_memory_of_others)
{
	static bool own[sizeof(flat)];
	uint64_t seed = test_seed();

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t most = (uint32_t)test_below(&seed, LONGEST - 20000);
		struct rpcbuf_writer w;

		length = memory_used = flushed = 0;
		may_flush = i % 2;
		rpcbuf_writer_begin_in(&w, more_memory);
		while (length < most) {
			uint32_t before = length;
			bool ours = test_below(&seed, 4);

			ck_assert(ours ? write_some(&w, &seed)
				       : refer_some(&w, &seed));
			memset(own + before, ours, length - before);
			overwrite_some(&w, &seed, own);
			ck_assert_uint_eq(rpcbuf_writer_position(&w), length);
		}
		flush(&w);
		ck_assert_uint_eq(flushed, length);
		ck_assert_mem_eq(got, flat, length);
		rpcbuf_writer_exit(&w);
	}
}
END_TEST

static unsigned int take_all(void **held, unsigned int max)
{
	unsigned int nr = 0;

	while (nr < max &&
	       (held[nr] = rpcbuf_alloc_page(mm, RPCBUF_GFP_NOWAIT)))
		nr++;
	return nr;
}

/* Present pages are not filled again, and a small reply takes one of them and
 * leaves the others.  A reserve lends one at a time, which is not kept; an
 * empty one lends none. */
START_TEST(pages_before_the_call)
{
	static void *held[8 << 8];
	struct rpcbuf_respages respages = {0}, more[32] = {{0}};
	struct rpcbuf_reply *reply;
	struct rpcbuf_writer w;
	void *first;
	unsigned int nr;

	ck_assert_int_eq(0, respages_fill(&respages, mm, pages));
	ck_assert_uint_eq(respages.nr, RPCBUF_RESPAGES);
	ck_assert_uint_eq(respages.reserved, 0);
	first = respages.pages[0];
	ck_assert_int_eq(0, respages_fill(&respages, mm, pages));
	ck_assert_ptr_eq(respages.pages[0], first);
	for (unsigned int left = RPCBUF_RESPAGES; left--;) {
		ck_assert_int_eq(rpcbuf_writer_begin(&w, mm, pages, &respages),
				 0);
		ck_assert_int_eq(0, rpcbuf_writer_put(&w, lent, 100));
		ck_assert_int_eq(rpcbuf_writer_end(&w, true, &reply), 0);
		ck_assert_uint_eq(rpcbuf_reply_pages(reply), 1);
		ck_assert_uint_eq(respages.nr, left);
		rpcbuf_reply_free(reply);
	}
	nr = take_all(held, 8 << 8);
	for (unsigned int i = 0; i < 32; i++) {
		ck_assert_int_eq(0, respages_fill(&more[i], mm, pages));
		ck_assert_uint_eq(more[i].nr + more[i].reserved, 2);
	}
	ck_assert_int_eq(respages_fill(&respages, mm, pages), -ENOMEM);
	ck_assert_uint_eq(respages.nr, 0);
	ck_assert_int_eq(rpcbuf_writer_begin(&w, mm, pages, &respages),
			 -ENOMEM);
	/* The page is there, whatever else is not. */
	ck_assert_int_eq(rpcbuf_writer_begin(&w, mm, pages, &more[0]), 0);
	ck_assert_int_eq(rpcbuf_writer_next_page(&w), -ENOMEM);
	ck_assert_int_eq(rpcbuf_writer_end(&w, false, &reply), -ENOMEM);
	ck_assert_int_eq(0, respages_fill(&respages, mm, pages));
	for (unsigned int i = 0; i < 32; i++)
		respages_release(&more[i], pages);
	respages_release(&respages, pages);
	rpcbuf_free_bulk_array(mm, nr, held);
}
END_TEST

/* So many pages are left when a record begins. */
START_TEST(pages_end)
{
	static void *held[8 << 8];
	uint64_t seed = test_seed();
	unsigned int nr = 0;

	while (nr < 8 << 8 &&
	       (held[nr] = rpcbuf_mempool_alloc_page(pages, RPCBUF_GFP_NOWAIT)))
		nr++;
	for (unsigned int left = 0; left < 30; left++) {
		struct rpcbuf_reply *reply = NULL;
		struct rpcbuf_writer w;
		int err = rpcbuf_writer_begin(&w, mm, pages, NULL);

		if (!err) {
			length = 0;
			while (length < LONGEST - 20000 && seal_some(&w, &seed))
				;
			err = rpcbuf_writer_end(&w, false, &reply);
		}
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_ptr_null(reply);
		rpcbuf_mempool_free_page(pages, held[--nr]);
	}
	rpcbuf_mempool_free_bulk_array(pages, nr, held);
}
END_TEST

/* Without other pages, a reply takes from the reserve what it needs, a page at
 * a time, and no more: other replies need it as well. */
START_TEST(reserve_gives_what_is_needed)
{
	static void *held[8 << 8];
	struct rpcbuf_mempool_stats stats = RPCBUF_MEMPOOL_STATS_INIT;
	struct rpcbuf_reply *reply;
	struct rpcbuf_writer w;
	unsigned int nr = take_all(held, 8 << 8);

	ck_assert_int_eq(rpcbuf_writer_begin(&w, mm, pages, NULL), 0);
	for (uint32_t used = 1; used <= 32; used++) {
		rpcbuf_mempool_stats(pages, &stats);
		ck_assert_uint_eq(stats.reserve_pages, used);
		ck_assert_uint_eq(stats.partial, 0);
		ck_assert(!rpcbuf_writer_next_page(&w) == (used < 32));
	}
	rpcbuf_mempool_stats(pages, &stats);
	ck_assert_uint_eq(stats.partial, 1);
	ck_assert_int_eq(rpcbuf_writer_end(&w, true, &reply), 0);
	ck_assert_uint_eq(rpcbuf_reply_pages(reply), 32);
	rpcbuf_reply_free(reply);
	rpcbuf_mempool_stats(pages, &stats);
	ck_assert_uint_eq(stats.curr_nr, 32);
	rpcbuf_free_bulk_array(mm, nr, held);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("writer");
	TCase *tcase = tcase_create("writer");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, any_record);
	tcase_add_test(tcase, in_memory_of_others);
	tcase_add_test(tcase, pages_end);
	tcase_add_test(tcase, pages_before_the_call);
	tcase_add_test(tcase, reserve_gives_what_is_needed);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
