/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a reply is its bytes, in order, in any number of pieces and wherever
 * sending breaks off; what it owns is released once, and not before.
 * Method: replies of a few and of many pieces are gathered from every position,
 * and consumed in portions of every size; each memory request on the way fails
 * in turn.
 */
#include "reply_util.h"

#include "rpcbuf/engine/reply.h"
#include "rpcbuf/os/bits.h"

static const struct shape shapes[] = {
	{28, 0, 0, 1},	    {100, 4096, 0, 1}, {0, 1, 3, 1},
	{40, 100, 900, 45}, {60, 10, 1500, 1}, {200, 4096, 7000, 1000},
};

static struct rpcbuf *mm;

static void start(void)
{
	lend();
	mm = test_create(1024);
}

static void stop(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_out, 0);
	ck_assert_uint_eq(lent, returned);
	test_destroy(mm);
}

/* Gathered bytes are the unsent ones, up to the requested number. */
static void check_gathered(const struct rpcbuf_reply *reply,
			   const struct shape *s, size_t from, size_t most,
			   unsigned int max)
{
	struct iovec iov[2000];
	size_t left = most, at = from;
	unsigned int nr = reply_gather(reply, iov, max, &left);

	require(nr <= max);
	for (unsigned int i = 0; i < nr; i++) {
		const uint8_t *bytes = iov[i].iov_base;

		require(iov[i].iov_len > 0);
		for (size_t j = 0; j < iov[i].iov_len; j++)
			require(bytes[j] == shape_byte(s, 1, at++));
	}
	require(at - from == most - left);
	if (nr < max)
		require(at - from == rpcbuf_min(most, shape_bytes(s) - from));
}

/* Wherever sending breaks off. */
START_TEST(every_position)
{
	const struct shape *s = &shapes[_i];
	size_t all = shape_bytes(s);

	start();
	for (size_t at = 0; at <= all; at += TEST_SANITIZED ? 7 : 1) {
		struct rpcbuf_reply *reply = reply_make(mm, 1, s);

		require(reply && rpcbuf_reply_bytes(reply) == all);
		require(reply_advance(reply, at) == 0);
		require(reply_left(reply) == all - at);
		check_gathered(reply, s, at, SIZE_MAX, 2000);
		check_gathered(reply, s, at, 100, 2000);
		check_gathered(reply, s, at, SIZE_MAX, 3);
		/* Bytes of the next reply are returned. */
		require(reply_advance(reply, all - at + 5) == 5);
		require(reply_left(reply) == 0);
		require(returned == lent - (s->lent != 0));
		rpcbuf_reply_free(reply);
	}
	stop();
}
END_TEST

/* In portions of one size, up to the end. */
START_TEST(portions)
{
	const struct shape *s = &shapes[_i];
	size_t all = shape_bytes(s);

	start();
	for (size_t portion = 1; portion < 300; portion += 13) {
		struct rpcbuf_reply *reply = reply_make(mm, 1, s);

		for (size_t at = 0; at < all; at += portion) {
			check_gathered(reply, s, at, portion, 2000);
			require(reply_advance(reply, portion) ==
				(at + portion > all ? at + portion - all : 0));
		}
		require(reply_left(reply) == 0);
		rpcbuf_reply_free(reply);
	}
	stop();
}
END_TEST

/* Adjacent bytes are one piece; zero bytes are none. */
START_TEST(pieces)
{
	struct rpcbuf_reply *reply;
	struct iovec iov[4];
	size_t most = SIZE_MAX;

	start();
	reply = rpcbuf_reply_create(mm,
				    rpcbuf_alloc_page(mm, RPCBUF_GFP_NOWAIT));
	require(!rpcbuf_reply_add(reply, lent_bytes, 10));
	require(!rpcbuf_reply_add(reply, lent_bytes + 10, 0));
	require(!rpcbuf_reply_add(reply, lent_bytes + 10, 20));
	require(!rpcbuf_reply_add(reply, lent_bytes + 31, 1));
	require(reply_gather(reply, iov, 4, &most) == 2);
	require(iov[0].iov_base == lent_bytes && iov[0].iov_len == 30);
	require(iov[1].iov_base == lent_bytes + 31 && iov[1].iov_len == 1);
	require(rpcbuf_reply_bytes(reply) == 31);
	rpcbuf_reply_free(reply);
	stop();
}
END_TEST

/* The nth request for heap from here on fails; 0: none does. */
static unsigned int fail_at;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	return fail_at && !--fail_at ? NULL : __real_malloc(size);
}

/* Runs of every length, of which a part may be owned; without memory they stay
 * the caller's. */
START_TEST(runs)
{
	static const unsigned int lengths[] = {1, 2, 16, 255, 256, 257, 500};
	void *pages[500];

	start();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		unsigned int nr = lengths[i], had;
		struct rpcbuf_reply *reply = reply_make(mm, 1, &shapes[0]);

		had = rpcbuf_reply_pages(reply);
		require(rpcbuf_alloc_run(mm, nr, pages) == nr);
		fail_at = 1;
		require(rpcbuf_reply_own_run(reply, nr, pages[0]) == -ENOMEM);
		fail_at = 0;
		require(rpcbuf_reply_pages(reply) == had);
		require(!rpcbuf_reply_own_run(reply, nr, pages[0]));
		require(rpcbuf_reply_pages(reply) == had + nr);
		require(reply->pinned >= nr * (uint64_t)RPCBUF_PAGE_SIZE);
		rpcbuf_reply_free(reply);
		/* They can be allocated again at once. */
		require(rpcbuf_alloc_run(mm, nr, pages) == nr);
		rpcbuf_free_run(mm, nr, pages);
	}
	stop();
}
END_TEST

/* Many pages at once, without memory to record them: they stay the caller's,
 * and the reply remains usable. */
START_TEST(no_memory)
{
	void *pages[300] = {0};
	unsigned int failed = 0;

	start();
	for (unsigned int nth = 1; nth <= 4; nth++) {
		struct rpcbuf_reply *reply = reply_make(mm, 1, &shapes[3]);
		int err;

		require(rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOWAIT, 300,
						pages) == 300);
		fail_at = nth;
		err = rpcbuf_reply_own_pages(reply, 300, pages);
		fail_at = 0;
		if (err) {
			require(err == -ENOMEM);
			failed++;
			require(!rpcbuf_reply_own_pages(reply, 300, pages));
		}
		memset(pages, 0, sizeof(pages));
		check_gathered(reply, &shapes[3], 0, SIZE_MAX, 2000);
		rpcbuf_reply_free(reply);
	}
	ck_assert_uint_eq(failed, 3);
	for (unsigned int nth = 1;; nth++) {
		struct rpcbuf_reply *reply;

		fail_at = nth;
		reply = reply_make(mm, 1, &shapes[4]);
		if (reply)
			rpcbuf_reply_free(reply);
		if (fail_at)
			break;
		require(!reply);
	}
	fail_at = 0;
	stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reply");
	TCase *tcase = tcase_create("reply");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_loop_test(tcase, every_position, 0, WIRE_NR(shapes));
	tcase_add_loop_test(tcase, portions, 0, WIRE_NR(shapes));
	tcase_add_test(tcase, pieces);
	tcase_add_test(tcase, runs);
	tcase_add_test(tcase, no_memory);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
