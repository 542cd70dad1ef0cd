/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: bytes written into a stream come out as the same messages, in order,
 * without a copy and without a lost page, however the bytes arrive.
 * Method: a long byte stream of random records is the reference; portions of
 * random size are written through the iovecs, messages are kept for a while,
 * because their last page is still written to, and then compared.
 */
#include <rpcbuf/stream.h>

#include "wire_util.h"

#define PAGE RPCBUF_PAGE_SIZE
#define VECTOR 40u
#define READ_AHEAD (6 * PAGE + 100)
#define MAX_IOV 8u
#define KEPT 16u
#define MAX_BODY 100000u

static const struct rpcbuf_record_limits limits = {
	.max_length = MAX_BODY,
	.max_fragments = 500,
	.min_length = 0,
};

static struct rpcbuf *mm;
static struct rpcbuf_rqst *rqst;
static struct rpcbuf_stream stream;
static uint32_t nr_slots;
static struct rpcbuf_record_refusal refusal;

/* The reference: bodies one behind the other, and their records. */
static uint8_t *bodies, *wire;
static size_t wire_len, written;
static struct {
	size_t body, end; /* first byte of the body; end of the record */
	uint32_t length, fragments;
} *records;
static unsigned int nr_records, nr_taken;

/* Messages that were taken and are not released yet. */
static struct kept {
	struct rpcbuf_message message;
	unsigned int record;
	void **pages;
} kept[KEPT];

static void setup(void)
{
	mm = test_create(2048);
	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, NULL, VECTOR), 0);
	nr_slots = rpcbuf_stream_slots(&limits, READ_AHEAD);
	rpcbuf_stream_init(&stream, mm, calloc(nr_slots, sizeof(void *)),
			   nr_slots);
	for (unsigned int i = 0; i < KEPT; i++)
		kept[i].pages = calloc(nr_slots, sizeof(void *));
	wire_len = written = nr_records = nr_taken = 0;
}

static uint64_t out(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_out;
}

/* Except for those of the vector. */
static uint64_t out_beside(void)
{
	return out() - rpcbuf_rqst_nr_pages(rqst);
}

/* Only the reader of the stream is left: it holds nothing. */
static void teardown(void)
{
	rpcbuf_rqst_release(rqst);
	if (rpcbuf_stream_empty(&stream))
		ck_assert_uint_eq(out(), 0);
	rpcbuf_stream_reset(&stream);
	ck_assert(rpcbuf_stream_empty(&stream));
	ck_assert_uint_eq(rpcbuf_stream_bytes(&stream), 0);
	rpcbuf_rqst_destroy(rqst);
	test_destroy(mm);
	free(stream.pages);
	for (unsigned int i = 0; i < KEPT; i++)
		free(kept[i].pages);
	free(bodies);
	free(wire);
	free(records);
}

static void reference_alloc(unsigned int nr, size_t bytes)
{
	bodies = malloc(bytes);
	wire = malloc(bytes + nr * limits.max_fragments * RPCBUF_MARK_SIZE);
	records = calloc(nr, sizeof(*records));
	wire_pattern(bodies, bytes, 11);
}

static void add_record(const uint32_t *sizes, unsigned int nr)
{
	size_t body = 0;

	if (nr_records)
		body = records[nr_records - 1].body +
		       records[nr_records - 1].length;
	records[nr_records].body = body;
	records[nr_records].fragments = nr;
	for (unsigned int i = 0; i < nr; i++)
		records[nr_records].length += sizes[i];
	wire_len += wire_record(wire + wire_len, bodies + body, sizes, nr);
	records[nr_records++].end = wire_len;
}

/* The iovecs are in our memory, of the requested length, and as few as
 * possible. */
static size_t check_iov(const struct iovec *iov, unsigned int nr, size_t want)
{
	size_t room = 0;

	for (unsigned int i = 0; i < nr; i++) {
		require(rpcbuf_owns(mm, iov[i].iov_base));
		require(iov[i].iov_len > 0);
		if (i)
			require((char *)iov[i - 1].iov_base +
					iov[i - 1].iov_len !=
				iov[i].iov_base);
		room += iov[i].iov_len;
	}
	require(room <= want);
	return room;
}

/* Writes the next @len bytes of the reference to the iovecs. */
static void copy_to_iov(const struct iovec *iov, size_t len)
{
	for (; len; iov++) {
		size_t n = rpcbuf_min(len, iov->iov_len);

		memcpy(iov->iov_base, wire + written, n);
		written += n;
		len -= n;
	}
}

/* Asks for @want bytes of room, writes up to @most of the reference there. */
static size_t write_some(size_t want, unsigned int max_iov, size_t most)
{
	struct iovec iov[MAX_IOV];
	unsigned int nr;
	size_t room;

	require(rpcbuf_rqst_fill(rqst) == 0);
	nr = rpcbuf_stream_iov(&stream, rqst, want, iov, max_iov);
	require(nr >= 1 && nr <= max_iov);
	room = check_iov(iov, nr, want);
	room = rpcbuf_min(room, most);
	room = rpcbuf_min(room, wire_len - written);
	copy_to_iov(iov, room);
	rpcbuf_stream_commit(&stream, rqst, room);
	return room;
}

static void compare_and_release(struct kept *k)
{
	static uint8_t to[MAX_BODY];
	struct rpcbuf_cursor cursor;
	uint32_t length = records[k->record].length;

	require(k->message.length == length);
	require(k->message.fragments == records[k->record].fragments);
	rpcbuf_cursor_init(&cursor, &k->message);
	require(rpcbuf_cursor_read(&cursor, to, length) == 0);
	require(rpcbuf_cursor_left(&cursor) == 0);
	require(memcmp(to, bodies + records[k->record].body, length) == 0);
	rpcbuf_message_release(&k->message);
	k->message.length = 0;
	k->message.nr_pages = 0;
}

/* The frame of a message: its place and its description. */
static void check_frame(const struct rpcbuf_message *m, unsigned int record)
{
	size_t start = record ? records[record - 1].end : 0;

	require(m->mm == mm);
	require(m->wire_length == records[record].end - start);
	require(m->offset < PAGE);
	require(m->nr_pages == (m->offset + m->wire_length + PAGE - 1) / PAGE);
	require(m->nr_runs == test_nr_runs(m->pages, m->nr_pages));
}

/* A record in one fragment is ready when it has arrived to its end. */
static bool expect_ready(void)
{
	return stream.parsed == 0 && nr_taken < nr_records &&
	       records[nr_taken].fragments == 1 &&
	       records[nr_taken].end <= written;
}

/* Takes all complete messages; each replaces one that was kept. */
static void take_all(uint64_t *seed)
{
	for (;;) {
		struct kept *k = &kept[test_below(seed, KEPT)];
		int ret;

		if (k->message.nr_pages)
			compare_and_release(k);
		k->message.pages = k->pages;
		require(rpcbuf_stream_ready(&stream) == expect_ready());
		ret = rpcbuf_stream_next(&stream, &limits, &k->message,
					 &refusal);
		if (ret == 0) {
			k->message.nr_pages = 0;
			return;
		}
		require(ret == 1);
		k->record = nr_taken++;
		check_frame(&k->message, k->record);
	}
}

/* Moves to other pages, single ones or a run; users of the old ones keep them
 * unchanged. */
static void move_elsewhere(void)
{
	unsigned int nr = stream.nr_pages;
	void *pages[MAX_BODY / PAGE + 20] = { NULL };
	bool run = nr && nr <= RPCBUF_RUN_MAX &&
		   rpcbuf_alloc_run(mm, nr, pages) == nr;

	if (!run)
		require(rpcbuf_alloc_bulk_array(mm, 0, nr, pages) == nr);
	rpcbuf_stream_move(&stream, pages, run);
	rpcbuf_free_bulk_array(mm, nr, pages);
	require(stream.nr_pages == nr);
	require(rpcbuf_stream_next_page(&stream) ==
		(nr ? (char *)stream.pages[nr - 1] + PAGE : NULL));
}

/* Checks the stream between two portions. */
static void check_rest(void)
{
	size_t start = nr_taken ? records[nr_taken - 1].end : 0;

	require(rpcbuf_stream_bytes(&stream) == written - start);
	require(rpcbuf_stream_empty(&stream) == (written == start));
	if (written == wire_len)
		return;
	require(written < records[nr_taken].end);
	require(rpcbuf_stream_wanted(&stream) >= 1);
	require(written + rpcbuf_stream_wanted(&stream) <=
		records[nr_taken].end);
}

/* The rest of the current record gets its pages at once: received bytes stay,
 * the rest fits exactly, and all pages behind a first page of a header are a
 * run. */
static void reserve_rest(void)
{
	uint32_t bytes = rpcbuf_stream_bytes(&stream), copied = ~0u;
	uint32_t wanted = bytes ? rpcbuf_stream_wanted(&stream)
				: (uint32_t)(records[nr_taken].end - written);
	uint32_t had = stream.nr_pages, nr;
	int ret = rpcbuf_stream_reserve(&stream, rqst, wanted, &copied);

	require(rpcbuf_stream_bytes(&stream) == bytes);
	if (ret) {
		require(ret == -ENOMEM || (ret == -E2BIG && had > 60));
		require(stream.nr_pages == had && !stream.nr_spare);
		return;
	}
	nr = stream.nr_pages + stream.nr_spare;
	require(copied == bytes && stream.run);
	require(stream.head + bytes + (size_t)wanted == nr * PAGE);
	require(test_nr_runs(stream.pages, nr) <=
		1 + (stream.head >= PAGE - 1024));
	require(!rpcbuf_stream_empty(&stream));
}

/* The whole reference through the stream, in random portions. */
static void pump(uint64_t *seed)
{
	while (written < wire_len) {
		size_t want = rpcbuf_max((size_t)rpcbuf_stream_wanted(&stream),
					 READ_AHEAD);

		if (test_below(seed, 2))
			want = wire_portion(seed, want);
		if (!stream.nr_spare && test_below(seed, 10) == 0)
			reserve_rest();
		write_some(want, 1 + test_below(seed, MAX_IOV),
			   wire_portion(seed, SIZE_MAX));
		if (test_below(seed, 20) == 0)
			rpcbuf_rqst_release(rqst);
		if (test_below(seed, 20) == 0)
			rpcbuf_rqst_want(rqst, test_below(seed, VECTOR + 1));
		take_all(seed);
		if (test_below(seed, 20) == 0)
			rpcbuf_stream_trim(&stream);
		if (!stream.nr_spare && test_below(seed, 10) == 0)
			move_elsewhere();
		check_rest();
	}
	ck_assert_uint_eq(nr_taken, nr_records);
	ck_assert(rpcbuf_stream_empty(&stream));
	for (unsigned int i = 0; i < KEPT; i++)
		if (kept[i].message.nr_pages)
			compare_and_release(&kept[i]);
}

static uint32_t random_length(uint64_t *seed)
{
	switch (test_below(seed, 8)) {
	case 0:
		return test_below(seed, MAX_BODY + 1);
	case 1:
		return test_below(seed, 5 * PAGE);
	default:
		return test_below(seed, 300);
	}
}

START_TEST(random_records)
{
	uint64_t seed = test_seed() + (uint64_t)_i * 2;
	uint32_t sizes[500];

	reference_alloc(TEST_ROUNDS(1000), TEST_ROUNDS(1000) * MAX_BODY);
	for (int i = 0; i < TEST_ROUNDS(1000); i++) {
		uint32_t length = random_length(&seed);
		unsigned int max = test_below(&seed, 10) ? 6 : 500;

		add_record(sizes, wire_cut(&seed, length, sizes, max));
	}
	pump(&seed);
}
END_TEST

/* A page full of records: each message holds the page, the last byte of the
 * last one frees it. */
START_TEST(many_records_in_a_page)
{
	struct rpcbuf_message messages[100];
	void *page, *pages[100][4];
	unsigned int i;

	reference_alloc(100, 4000);
	for (i = 0; i < 100; i++)
		add_record((uint32_t[]){ i % 37 }, 1);
	ck_assert_uint_eq(write_some(PAGE, MAX_IOV, SIZE_MAX), wire_len);
	rpcbuf_rqst_release(rqst);
	page = stream.pages[0];
	for (i = 0; i < 100; i++) {
		/* Room for one page is enough for these. */
		messages[i].pages = pages[i];
		ck_assert_int_eq(rpcbuf_stream_next(&stream, &limits,
						    &messages[i], &refusal),
				 1);
		ck_assert_uint_eq(messages[i].nr_pages, 1);
		ck_assert_ptr_eq(messages[i].pages[0], page);
	}
	ck_assert(rpcbuf_stream_empty(&stream));
	for (i = 100; i--;) {
		kept[0].message = messages[i];
		kept[0].record = i;
		ck_assert_uint_eq(out(), 1);
		compare_and_release(&kept[0]);
	}
	ck_assert_uint_eq(out(), 0);
}
END_TEST

static struct rpcbuf_message *take_next(const struct rpcbuf_record_limits *l)
{
	struct kept *k = &kept[0];

	k->message.pages = k->pages;
	ck_assert_int_eq(rpcbuf_stream_next(&stream, l, &k->message, &refusal),
			 1);
	return &k->message;
}

/* A record ends exactly with its page: nothing is shared, nothing stays. */
START_TEST(page_edges)
{
	uint32_t first = (uint32_t)(PAGE - 2 + (unsigned int)_i) -
			 RPCBUF_MARK_SIZE;

	reference_alloc(2, 2 * MAX_BODY);
	add_record(&first, 1);
	add_record((uint32_t[]){ 2, 0, 10 }, 3);
	write_some(2 * PAGE, MAX_IOV, SIZE_MAX);
	rpcbuf_rqst_release(rqst);
	for (nr_taken = 0; nr_taken < 2; nr_taken++) {
		check_frame(take_next(&limits), nr_taken);
		kept[0].record = nr_taken;
		compare_and_release(&kept[0]);
	}
	ck_assert_int_eq(rpcbuf_stream_next(&stream, &limits, &kept[0].message,
					    &refusal),
			 0);
	ck_assert_uint_eq(out(), 0);
}
END_TEST

/* Records longer than a read, at the limits of length and fragments, from every
 * offset: the slots suffice, the vector takes them. */
START_TEST(longest_records)
{
	uint64_t seed = test_seed();
	static uint32_t sizes[500];

	reference_alloc(20, 20 * MAX_BODY);
	for (unsigned int i = 0; i < 500; i++)
		sizes[i] = MAX_BODY / 500;
	for (int i = 0; i < 10; i++) {
		/* Of odd length, so that the next starts elsewhere. */
		add_record((uint32_t[]){ test_below(&seed, 5000) }, 1);
		add_record(sizes, 500);
	}
	while (written < wire_len) {
		size_t want = rpcbuf_max((size_t)rpcbuf_stream_wanted(&stream),
					 READ_AHEAD);

		write_some(want, MAX_IOV, SIZE_MAX);
		take_all(&seed);
		check_rest();
	}
	pump(&seed);
}
END_TEST

/* The worst record for the slots: the longest, in as many fragments as allowed,
 * from the last byte of a page, received up to one byte. */
START_TEST(slots_suffice)
{
	const struct rpcbuf_record_limits worst = { .max_length = 4200,
						    .max_fragments = 3000 };
	uint32_t sizes[3000] = { 4200 };
	struct iovec iov[MAX_IOV];
	unsigned int nr;

	reference_alloc(20, 2 * MAX_BODY);
	add_record((uint32_t[]){ PAGE - 1 - RPCBUF_MARK_SIZE }, 1);
	add_record(sizes, 3000);
	free(stream.pages);
	nr_slots = rpcbuf_stream_slots(&worst, READ_AHEAD);
	rpcbuf_stream_init(&stream, mm, malloc(nr_slots * sizeof(void *)),
			   nr_slots);
	while (written < wire_len - 1)
		write_some(VECTOR * PAGE, MAX_IOV, wire_len - 1 - written);
	rpcbuf_message_release(take_next(&worst));
	ck_assert_int_eq(
		rpcbuf_stream_next(&stream, &worst, &kept[1].message, &refusal),
		0);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	nr = rpcbuf_stream_iov(&stream, rqst, READ_AHEAD, iov, MAX_IOV);
	ck_assert_uint_eq(check_iov(iov, nr, READ_AHEAD), READ_AHEAD);
	copy_to_iov(iov, 1);
	rpcbuf_stream_commit(&stream, rqst, READ_AHEAD);
	rpcbuf_message_release(take_next(&worst));
}
END_TEST

/* Pages of a run are returned as such, others are not. */
START_TEST(runs_are_passed_on)
{
	reference_alloc(4, 4 * MAX_BODY);
	add_record((uint32_t[]){ 2000 }, 1);
	add_record((uint32_t[]){ 8000 }, 1);
	add_record((uint32_t[]){ 8000 }, 1);
	rpcbuf_rqst_want(rqst, VECTOR);
	write_some(SIZE_MAX, 1, records[1].end);
	for (int i = 0; i < 2; i++) {
		ck_assert(take_next(&limits)->run);
		rpcbuf_message_release(&kept[0].message);
	}
	rpcbuf_rqst_want(rqst, 0);
	write_some(SIZE_MAX, MAX_IOV, SIZE_MAX);
	ck_assert(!take_next(&limits)->run);
	rpcbuf_message_release(&kept[0].message);
}
END_TEST

static int feed(const uint8_t *bytes, size_t len)
{
	struct kept *k = &kept[0];

	wire = malloc(len);
	memcpy(wire, bytes, len);
	wire_len = len;
	ck_assert_uint_eq(write_some(PAGE, 1, len), len);
	k->message.pages = k->pages;
	return rpcbuf_stream_next(&stream, &limits, &k->message, &refusal);
}

START_TEST(refused_length)
{
	uint8_t bytes[8] = { 0, 0, 0, 4, 9, 9, 9, 9 }, more[16];

	memcpy(more, bytes, 8);
	wire_mark(more + 8, MAX_BODY - 3, _i);
	ck_assert_int_eq(feed(more, 12), -EMSGSIZE);
	ck_assert_uint_eq(refusal.value, MAX_BODY + 1);
	ck_assert_uint_eq(refusal.limit, MAX_BODY);
}
END_TEST

START_TEST(refused_fragments)
{
	static const uint8_t marks[501 * RPCBUF_MARK_SIZE];

	ck_assert_int_eq(feed(marks, sizeof(marks)), -E2BIG);
	ck_assert_uint_eq(refusal.value, 501);
	ck_assert_uint_eq(refusal.limit, 500);
}
END_TEST

START_TEST(refused_short)
{
	const struct rpcbuf_record_limits calls = {
		.max_length = MAX_BODY, .max_fragments = 5, .min_length = 40
	};
	uint8_t bytes[4];

	wire_mark(bytes, 39, true);
	/* Without a lower limit the mark alone is no record yet. */
	ck_assert_int_eq(feed(bytes, 4), 0);
	rpcbuf_stream_reset(&stream);
	free(wire);
	written = 0;
	wire_mark(bytes, 0, true);
	ck_assert_int_eq(feed(bytes, 4), 1);
	rpcbuf_message_release(&kept[0].message);
	written = 0;
	wire_mark(wire, 39, true);
	ck_assert_uint_eq(write_some(PAGE, 1, 4), 4);
	ck_assert_int_eq(rpcbuf_stream_next(&stream, &calls, &kept[0].message,
					    &refusal),
			 -EBADMSG);
	ck_assert_uint_eq(refusal.value, 39);
	ck_assert_uint_eq(refusal.limit, 40);
}
END_TEST

/* A full stream reports it, and takes no page without a slot. */
START_TEST(no_slot_left)
{
	struct rpcbuf_stream small;
	struct iovec iov[MAX_IOV];
	void *slots[3] = { NULL };
	size_t bytes = 0;
	unsigned int nr;

	rpcbuf_stream_init(&small, mm, slots, 2);
	slots[2] = slots; /* not ours */
	for (;;) {
		ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
		nr = rpcbuf_stream_iov(&small, rqst, 3000, iov, MAX_IOV);
		if (!nr)
			break;
		for (unsigned int i = 0; i < nr; i++)
			bytes += iov[i].iov_len;
		rpcbuf_stream_commit(&small, rqst,
				     bytes - rpcbuf_stream_bytes(&small));
		ck_assert_uint_eq(bytes, rpcbuf_stream_bytes(&small));
	}
	ck_assert_uint_eq(bytes, 2 * PAGE);
	ck_assert_ptr_eq(slots[2], slots);
	ck_assert_uint_eq(rpcbuf_stream_iov(&small, rqst, 0, iov, 1), 0);
	rpcbuf_stream_reset(&small);
	ck_assert_uint_eq(rpcbuf_stream_iov(&small, rqst, 0, iov, 1), 0);
	ck_assert_uint_eq(rpcbuf_stream_iov(&small, rqst, 9, iov, 0), 0);
}
END_TEST

/* A payload of 2^n pages takes as many, aligned, wherever its record becomes
 * known, and no other record comes in between. */
START_TEST(reserved_payloads)
{
	const uint32_t header = 180, payload = 16 * PAGE;
	uint32_t sizes[1] = { header + payload };
	struct rpcbuf_message *m = &kept[0].message;
	uintptr_t first;

	m->pages = kept[0].pages;
	reference_alloc(2, 2 * sizes[0]);
	add_record(sizes, 1);
	add_record(sizes, 1);
	if (_i)
		write_some(_i == 1 ? 100 : 5 * PAGE, MAX_IOV, SIZE_MAX);
	ck_assert_int_eq(rpcbuf_stream_next(&stream, &limits, m, &refusal), 0);
	reserve_rest();
	ck_assert_uint_ge(stream.nr_spare, _i == 2 ? 11 : 16);
	write_some(10 * PAGE, MAX_IOV, SIZE_MAX);
	ck_assert_int_eq(rpcbuf_stream_next(&stream, &limits, m, &refusal), 0);
	while (stream.nr_spare)
		write_some(SIZE_MAX, MAX_IOV, SIZE_MAX);
	ck_assert_uint_eq(written, records[0].end);
	ck_assert_int_eq(rpcbuf_stream_next(&stream, &limits, m, &refusal), 1);
	ck_assert_uint_eq(m->nr_pages, 17);
	first = (uintptr_t)m->pages[1];
	ck_assert_uint_eq(first % payload, 0);
	for (uintptr_t i = 0; i < 16; i++)
		ck_assert_ptr_eq(m->pages[1 + i], (void *)(first + i * PAGE));
	ck_assert(rpcbuf_stream_empty(&stream));
	compare_and_release(&kept[0]);
}
END_TEST

/* Pages preallocated for a record are released with the stream, or without it;
 * and no page is taken that could not be used. */
START_TEST(reserved_and_left)
{
	uint32_t sizes[1] = { 9 * PAGE }, copied;
	uint64_t before;

	reference_alloc(1, sizes[0]);
	add_record(sizes, 1);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	before = out_beside();
	ck_assert_int_eq(rpcbuf_stream_reserve(&stream, rqst,
					       (VECTOR + 1) * PAGE, &copied),
			 -ENOMEM);
	ck_assert_int_eq(rpcbuf_stream_reserve(&stream, rqst,
					       nr_slots * PAGE + 1, &copied),
			 -ENOMEM);
	ck_assert_uint_eq(out_beside(), before);
	reserve_rest();
	ck_assert_uint_eq(out_beside(), before + 10);
	write_some(PAGE, MAX_IOV, SIZE_MAX);
	rpcbuf_stream_trim(&stream);
	ck_assert_uint_eq(stream.nr_spare, 0);
	ck_assert_uint_eq(out_beside(), before + stream.nr_pages);
	write_some(PAGE, MAX_IOV, SIZE_MAX);
	ck_assert_int_eq(rpcbuf_stream_next(&stream, &limits, &kept[0].message,
					    &refusal),
			 0);
	reserve_rest();
	ck_assert_uint_gt(stream.nr_spare, 0);
	rpcbuf_stream_reset(&stream);
	ck_assert_uint_eq(stream.nr_spare, 0);
	ck_assert_uint_le(out_beside(), before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tcase = tcase_create("stream");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, random_records, 0, 10);
	tcase_add_test(tcase, many_records_in_a_page);
	tcase_add_loop_test(tcase, page_edges, 0, 5);
	tcase_add_test(tcase, longest_records);
	tcase_add_test(tcase, slots_suffice);
	tcase_add_test(tcase, runs_are_passed_on);
	tcase_add_loop_test(tcase, refused_length, 0, 2);
	tcase_add_test(tcase, refused_fragments);
	tcase_add_test(tcase, refused_short);
	tcase_add_test(tcase, no_slot_left);
	tcase_add_loop_test(tcase, reserved_payloads, 0, 3);
	tcase_add_test(tcase, reserved_and_left);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
