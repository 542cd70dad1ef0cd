/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the record machine finds the end of any legal record, wherever the
 * portions are cut, and refuses exactly what breaks a limit, as early as
 * possible and with the right numbers.
 * Method: a table of fragmentations, each fed whole, byte by byte, and cut at
 * every one, two and three places; a parser that sees the whole record is the
 * reference.  Records up to 4 GiB are fed without being stored.
 */
#include "wire_util.h"

#define LIMIT 44u
#define FRAGMENTS 8u

static const struct rpcbuf_record_limits limits = {
	.max_length = LIMIT,
	.max_fragments = FRAGMENTS,
	.min_length = RPCBUF_CALL_MIN,
};

/* A fragmentation, and the result of the reference. */
struct sample {
	uint32_t sizes[12];
	unsigned int nr;
	int result; /* of feed, at the end */
	uint64_t value, limit;
	uint8_t bytes[128];
	size_t len; /* of the record, without the bytes behind it */
	size_t end; /* bytes consumed when feed returns the result */
};

static struct sample samples[] = {
	/* one fragment, and the lengths around both limits */
	{ .sizes = { 40 }, .nr = 1 },
	{ .sizes = { 44 }, .nr = 1 },
	{ .sizes = { 39 }, .nr = 1 },
	{ .sizes = { 45 }, .nr = 1 },
	{ .sizes = { 0 }, .nr = 1 },
	/* cut anywhere */
	{ .sizes = { 1, 39 }, .nr = 2 },
	{ .sizes = { 39, 1 }, .nr = 2 },
	{ .sizes = { 20, 3, 17 }, .nr = 3 },
	{ .sizes = { 10, 10, 10, 10 }, .nr = 4 },
	/* empty fragments in front, between and at the end */
	{ .sizes = { 0, 40 }, .nr = 2 },
	{ .sizes = { 40, 0 }, .nr = 2 },
	{ .sizes = { 20, 0, 20 }, .nr = 3 },
	{ .sizes = { 0, 0, 0, 21, 0, 0, 20, 0 }, .nr = 8 },
	/* too long or too short only as a sum */
	{ .sizes = { 22, 11, 11 }, .nr = 3 },
	{ .sizes = { 22, 11, 12 }, .nr = 3 },
	{ .sizes = { 44, 0, 1 }, .nr = 3 },
	{ .sizes = { 20, 19 }, .nr = 2 },
	{ .sizes = { 39, 0 }, .nr = 2 },
	{ .sizes = { 0, 0 }, .nr = 2 },
	/* as many fragments as allowed, and one more */
	{ .sizes = { 5, 5, 5, 5, 5, 5, 5, 5 }, .nr = 8 },
	{ .sizes = { 5, 5, 5, 5, 5, 5, 5, 4, 1 }, .nr = 9 },
	{ .sizes = { 0, 0, 0, 0, 0, 0, 0, 0, 40 }, .nr = 9 },
	{ .sizes = { 40, 0, 0, 0, 0, 0, 0, 0, 0 }, .nr = 9 },
	{ .sizes = { 0, 0, 0, 0, 0, 0, 0, 0, 0 }, .nr = 9 },
};

static void refused(struct sample *s, int result, uint64_t value,
		    uint64_t limit)
{
	s->result = result;
	s->value = value;
	s->limit = limit;
}

/* The reference: reads the sizes, not the bytes. */
static void judge(struct sample *s)
{
	uint64_t length = 0;

	s->result = 0;
	s->end = 0;
	for (unsigned int i = 0; i < s->nr && !s->result; i++) {
		length += s->sizes[i];
		s->end += RPCBUF_MARK_SIZE;
		if (i + 1 > FRAGMENTS)
			refused(s, -E2BIG, i + 1, FRAGMENTS);
		else if (length > LIMIT)
			refused(s, -EMSGSIZE, length, LIMIT);
		else if (i + 1 == s->nr && length < RPCBUF_CALL_MIN)
			refused(s, -EBADMSG, length, RPCBUF_CALL_MIN);
		else
			s->end += s->sizes[i];
	}
	if (!s->result)
		refused(s, 1, length, s->nr);
}

static void setup(void)
{
	uint8_t body[64];

	wire_pattern(body, sizeof(body), 1);
	for (size_t i = 0; i < WIRE_NR(samples); i++) {
		struct sample *s = &samples[i];

		s->len = wire_record(s->bytes, body, s->sizes, s->nr);
		/* Bytes behind the record must not be read. */
		memset(s->bytes + s->len, 0xff, sizeof(s->bytes) - s->len);
		judge(s);
	}
}

/* A machine on its way through a sample. */
struct run {
	const struct sample *sample;
	struct rpcbuf_record_machine machine;
	size_t at;
	int result;
};

static void check_result(const struct run *run,
			 const struct rpcbuf_record_refusal *refusal)
{
	const struct sample *s = run->sample;

	require(run->result == s->result);
	require(run->at == s->end);
	if (s->result == 1) {
		require(run->machine.length == s->value);
		require(run->machine.fragments == s->nr);
		require(rpcbuf_record_idle(&run->machine));
		require(rpcbuf_record_wanted(&run->machine) ==
			RPCBUF_MARK_SIZE);
	} else {
		require(refusal->value == s->value);
		require(refusal->limit == s->limit);
	}
}

/* Feeds up to position @to; true when the record has not ended yet. */
static bool feed_to(struct run *run, size_t to)
{
	const struct sample *s = run->sample;
	struct rpcbuf_record_refusal refusal = { 0, 0 };
	size_t consumed = 999;

	require(!!rpcbuf_record_idle(&run->machine) == (run->at == 0));
	require(rpcbuf_record_wanted(&run->machine) > 0);
	if (s->result == 1)
		require(run->at + rpcbuf_record_wanted(&run->machine) <=
			s->end);
	run->result = rpcbuf_record_feed(&run->machine, &limits,
					 s->bytes + run->at, to - run->at,
					 &consumed, &refusal);
	require(consumed <= to - run->at);
	run->at += consumed;
	if (run->result) {
		check_result(run, &refusal);
		return false;
	}
	require(run->at == to);
	return true;
}

/* Feeds a sample cut at these places, then all of the rest. */
static void feed_cut(const struct sample *s, const size_t *cuts,
		     unsigned int nr)
{
	struct run run = { .sample = s };

	for (unsigned int i = 0; i < nr; i++)
		if (!feed_to(&run, cuts[i]))
			return;
	require(!feed_to(&run, sizeof(s->bytes)));
}

START_TEST(whole)
{
	feed_cut(&samples[_i], NULL, 0);
}
END_TEST

START_TEST(byte_by_byte)
{
	struct run run = { .sample = &samples[_i] };
	size_t to = 1;

	while (feed_to(&run, to))
		to++;
}
END_TEST

START_TEST(every_split)
{
	const struct sample *s = &samples[_i];
	size_t most = s->len + 5;

	for (size_t a = 0; a <= most; a++)
		for (size_t b = a; b <= most; b++)
			feed_cut(s, (size_t[]){ a, b }, 2);
}
END_TEST

START_TEST(every_third_split)
{
	const struct sample *s = &samples[_i];

	for (size_t a = 0; a <= s->len; a++)
		for (size_t b = a; b <= s->len; b++)
			for (size_t c = b; c <= s->len; c++)
				feed_cut(s, (size_t[]){ a, b, c }, 3);
}
END_TEST

/* Legal samples one behind the other through one machine. */
START_TEST(one_after_another)
{
	struct rpcbuf_record_machine machine = { 0 };
	struct rpcbuf_record_refusal refusal;
	uint8_t stream[WIRE_NR(samples) * sizeof(samples[0].bytes)];
	size_t len = 0, step = (size_t)_i, at = 0, n;
	unsigned int i, legal = 0, seen = 0;

	for (i = 0; i < WIRE_NR(samples); i++) {
		if (samples[i].result != 1)
			continue;
		memcpy(stream + len, samples[i].bytes, samples[i].len);
		len += samples[i].len;
		legal++;
	}
	for (i = 0; at < len; at += n) {
		size_t portion = step < len - at ? step : len - at;

		if (rpcbuf_record_feed(&machine, &limits, stream + at, portion,
				       &n, &refusal) != 1)
			continue;
		while (samples[i].result != 1)
			i++;
		ck_assert_uint_eq(machine.length, samples[i].value);
		ck_assert_uint_eq(machine.fragments, samples[i].nr);
		i++;
		seen++;
	}
	ck_assert_uint_eq(seen, legal);
	ck_assert(rpcbuf_record_idle(&machine));
}
END_TEST

/* Random marks, compared with the sum of the bytes fed. */
START_TEST(random_fragmentations)
{
	struct rpcbuf_record_limits loose = { .max_length = 5000,
					      .max_fragments = 64 };
	uint8_t body[5000], bytes[5000 + 64 * 4 + 1];
	uint64_t seed = test_seed();

	wire_pattern(body, sizeof(body), 3);
	for (int round = 0; round < TEST_ROUNDS(20000); round++) {
		struct rpcbuf_record_machine machine = { 0 };
		struct rpcbuf_record_refusal refusal;
		uint32_t length = test_below(&seed, 5001), sizes[64];
		unsigned int nr = wire_cut(&seed, length, sizes, 64);
		size_t len = wire_record(bytes, body, sizes, nr), at = 0, n;
		int ret = 0;

		while (!ret) {
			size_t portion = wire_portion(&seed, len + 1 - at);

			require(at + rpcbuf_record_wanted(&machine) <= len);
			ret = rpcbuf_record_feed(&machine, &loose, bytes + at,
						 portion, &n, &refusal);
			at += n;
		}
		require(ret == 1 && at == len);
		require(machine.length == length && machine.fragments == nr);
	}
}
END_TEST

/* Feeds a mark, then as many bytes as it claims, without storing them. */
static int feed_claim(struct rpcbuf_record_machine *machine,
		      const struct rpcbuf_record_limits *large, uint32_t size,
		      bool last, struct rpcbuf_record_refusal *refusal)
{
	static const uint8_t zeroes[1 << 20];
	uint8_t mark[RPCBUF_MARK_SIZE];
	size_t n;
	int ret;

	wire_mark(mark, size, last);
	ret = rpcbuf_record_feed(machine, large, mark, sizeof(mark), &n,
				 refusal);
	require(n == sizeof(mark));
	while (!ret && size) {
		size_t portion = size < sizeof(zeroes) ? size : sizeof(zeroes);

		ret = rpcbuf_record_feed(machine, large, zeroes, portion, &n,
					 refusal);
		require(n == portion);
		size -= (uint32_t)portion;
	}
	return ret;
}

/* No overflow at 32 bits. */
START_TEST(four_gibibytes)
{
	const struct rpcbuf_record_limits large = {
		.max_length = UINT32_MAX, .max_fragments = UINT32_MAX
	};
	struct rpcbuf_record_machine machine = { 0 };
	struct rpcbuf_record_refusal refusal = { 0, 0 };
	uint32_t most = RPCBUF_MARK_LAST - 1;

	ck_assert_int_eq(feed_claim(&machine, &large, most, false, &refusal),
			 0);
	ck_assert_int_eq(feed_claim(&machine, &large, most, false, &refusal),
			 0);
	ck_assert_int_eq(feed_claim(&machine, &large, 1 + (uint32_t)_i, true,
				    &refusal),
			 _i ? -EMSGSIZE : 1);
	if (_i == 0)
		ck_assert_uint_eq(machine.length, UINT32_MAX);
	else
		ck_assert_uint_eq(refusal.value, (uint64_t)UINT32_MAX + 1);
}
END_TEST

/* A claim over the limit is refused before any of its bytes, last fragment or
 * not. */
START_TEST(claims_are_not_believed)
{
	struct rpcbuf_record_machine machine = { 0 };
	struct rpcbuf_record_refusal refusal = { 0, 0 };
	uint32_t most = RPCBUF_MARK_LAST - 1;

	ck_assert_int_eq(feed_claim(&machine, &limits, most, _i, &refusal),
			 -EMSGSIZE);
	ck_assert_uint_eq(refusal.value, most);
	ck_assert_uint_eq(refusal.limit, LIMIT);
}
END_TEST

/* Empty fragments cost only their count in the limit. */
START_TEST(many_empty_fragments)
{
	const struct rpcbuf_record_limits usual = { .max_length = 1 << 20,
						    .max_fragments = 65536,
						    .min_length = 0 };
	struct rpcbuf_record_machine machine = { 0 };
	struct rpcbuf_record_refusal refusal = { 0, 0 };

	for (unsigned int i = 1; i < 65536; i++)
		require(feed_claim(&machine, &usual, 0, false, &refusal) == 0);
	ck_assert_int_eq(feed_claim(&machine, &usual, 0, _i == 0, &refusal),
			 _i == 0);
	if (_i == 0)
		return;
	ck_assert_int_eq(feed_claim(&machine, &usual, 0, true, &refusal),
			 -E2BIG);
	ck_assert_uint_eq(refusal.value, 65537);
	ck_assert_uint_eq(refusal.limit, 65536);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *tcase = tcase_create("record");
	int nr = (int)WIRE_NR(samples);

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_loop_test(tcase, whole, 0, nr);
	tcase_add_loop_test(tcase, byte_by_byte, 0, nr);
	tcase_add_loop_test(tcase, every_split, 0, nr);
	tcase_add_loop_test(tcase, every_third_split, 0, nr);
	tcase_add_loop_test(tcase, one_after_another, 1, 60);
	tcase_add_test(tcase, random_fragmentations);
	tcase_add_loop_test(tcase, four_gibibytes, 0, 2);
	tcase_add_loop_test(tcase, claims_are_not_believed, 0, 2);
	tcase_add_loop_test(tcase, many_empty_fragments, 0, 2);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
