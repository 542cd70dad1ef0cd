/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a cursor shows the bytes of a message in order, in any pages and with
 * marks and page boundaries anywhere; a failed operation leaves it unchanged.
 * Method: messages laid out by hand in pages of a real instance, adjacent and
 * scattered, from every offset near page boundaries. A map of each byte's
 * address, made while laying out, is the reference for windows and reads.
 */
#include <rpcbuf/cursor.h>

#include "wire_util.h"

#define PAGE ((uint32_t)RPCBUF_PAGE_SIZE)
#define MAX_PAGES 32u
#define MAX_WIRE (MAX_PAGES * PAGE)
#define MAX_FRAGMENTS 4096u

enum layout { ADJACENT, SCATTERED, BACKWARDS, PAIRS, LAYOUTS };

static struct rpcbuf *mm;
static struct rpcbuf_message message;
static void *run[2 * MAX_PAGES]; /* adjacent; messages are laid out in them */
static void *slots[MAX_PAGES];

/* The reference: for each byte of the message its address, and the number of
 * contiguous bytes of its fragment from there. */
static uint8_t body[MAX_WIRE];
static const uint8_t *address[MAX_WIRE];
static uint32_t window_at[MAX_WIRE + 1];

static void setup(void)
{
	mm = test_create(1024);
	require(rpcbuf_alloc_run(mm, 2 * MAX_PAGES, run) == 2 * MAX_PAGES);
	wire_pattern(body, sizeof(body), 7);
}

static void teardown(void)
{
	rpcbuf_free_run(mm, 2 * MAX_PAGES, run);
	test_destroy(mm);
}

/* Some pages of the run, with a reference each for the message. */
static void get_pages(enum layout layout, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int from = i;

		if (layout == SCATTERED)
			from = 2 * i;
		else if (layout == BACKWARDS)
			from = nr - 1 - i;
		else if (layout == PAIRS)
			from = i / 2 * 3 + i % 2;
		require(rpcbuf_page_get(mm, run[from]) == 0);
		slots[i] = run[from];
	}
}

static uint8_t *place(uint32_t at)
{
	return (uint8_t *)slots[at / PAGE] + at % PAGE;
}

/* Computes the windows of a fragment, from its end to its start. */
static void map_windows(uint32_t start, uint32_t end)
{
	window_at[end] = 0;
	for (uint32_t i = end; i-- > start;) {
		bool more = i + 1 < end && address[i + 1] == address[i] + 1;

		window_at[i] = more ? window_at[i + 1] + 1 : 1;
	}
}

/* Lays out the start of body in pages, as fragments of @sizes. */
static void lay_out(enum layout layout, uint32_t offset, const uint32_t *sizes,
		    unsigned int nr)
{
	uint32_t length = 0, at = offset, position = 0, i;
	uint8_t mark[RPCBUF_MARK_SIZE];

	for (i = 0; i < nr; i++)
		length += sizes[i];
	message = wire_message(mm, slots, offset, length, nr);
	require(message.nr_pages <= MAX_PAGES);
	get_pages(layout, message.nr_pages);
	for (unsigned int f = 0; f < nr; f++) {
		wire_mark(mark, sizes[f], f == nr - 1);
		for (i = 0; i < sizeof(mark); i++)
			*place(at++) = mark[i];
		for (i = 0; i < sizes[f]; i++, position++) {
			address[position] = place(at++);
			*place(at - 1) = body[position];
		}
		map_windows(position - sizes[f], position);
	}
}

static void release(void)
{
	rpcbuf_message_release(&message);
	for (unsigned int i = 0; i < message.nr_pages; i++)
		require(slots[i] == NULL);
}

static bool same(const struct rpcbuf_cursor *a, const struct rpcbuf_cursor *b)
{
	return a->message == b->message && a->position == b->position &&
	       a->wire == b->wire && a->fragment_left == b->fragment_left;
}

static void check_window(struct rpcbuf_cursor *cursor, uint32_t position)
{
	struct rpcbuf_cursor before = *cursor;
	size_t len = 999;
	const uint8_t *window = rpcbuf_cursor_window(cursor, &len);

	require(rpcbuf_cursor_left(cursor) == message.length - position);
	require(same(&before, cursor));
	require(len == window_at[position]);
	if (position == message.length)
		require(window == NULL);
	else
		require(window == address[position]);
}

static void check_read(struct rpcbuf_cursor *cursor, uint32_t position,
		       uint32_t len)
{
	static uint8_t to[MAX_WIRE + 1];

	to[len] = 0x5a;
	require(rpcbuf_cursor_read(cursor, to, len) == 0);
	require(memcmp(to, body + position, len) == 0);
	require(to[len] == 0x5a);
}

/* From front to back in steps of @step: window, read and skip alternately. */
static void walk(uint32_t step)
{
	struct rpcbuf_cursor cursor;
	uint32_t position = 0;
	bool skip = false;

	rpcbuf_cursor_init(&cursor, &message);
	for (;;) {
		uint32_t n = message.length - position;

		check_window(&cursor, position);
		if (!n)
			return;
		n = n < step ? n : step;
		if (skip)
			require(rpcbuf_cursor_skip(&cursor, n) == 0);
		else
			check_read(&cursor, position, n);
		position += n;
		skip = !skip;
	}
}

/* Window by window: together they are the message. */
static void walk_windows(void)
{
	struct rpcbuf_cursor cursor;
	uint32_t position = 0;
	const uint8_t *window;
	size_t len;

	rpcbuf_cursor_init(&cursor, &message);
	while ((window = rpcbuf_cursor_window(&cursor, &len))) {
		require(len >= 1 && len <= message.length - position);
		require(memcmp(window, body + position, len) == 0);
		require(rpcbuf_cursor_skip(&cursor, len) == 0);
		position += (uint32_t)len;
	}
	require(position == message.length && len == 0);
}

static void check_errors(uint32_t position)
{
	struct rpcbuf_cursor cursor, before;
	uint8_t to[8] = "unused!";
	uint32_t left = message.length - position;

	rpcbuf_cursor_init(&cursor, &message);
	require(rpcbuf_cursor_seek(&cursor, position) == 0);
	before = cursor;
	if (left < sizeof(to))
		require(rpcbuf_cursor_read(&cursor, to, left + 1) == -ENODATA);
	require(rpcbuf_cursor_read(&cursor, NULL, SIZE_MAX) == -ENODATA);
	require(rpcbuf_cursor_read(&cursor, NULL, (size_t)left + 1) ==
		-ENODATA);
	require(rpcbuf_cursor_skip(&cursor, (size_t)left + 1) == -ENODATA);
	require(rpcbuf_cursor_skip(&cursor, SIZE_MAX) == -ENODATA);
	/* A length whose low 32 bits are small. */
	require(rpcbuf_cursor_skip(&cursor, (size_t)1 << 32) == -ENODATA);
	require(rpcbuf_cursor_seek(&cursor, message.length + 1) == -ERANGE);
	require(rpcbuf_cursor_seek(&cursor, UINT32_MAX) == -ERANGE);
	require(same(&before, &cursor));
	require(memcmp(to, "unused!", 8) == 0);
	/* Zero bytes can always be read, also at the end. */
	require(rpcbuf_cursor_read(&cursor, to, 0) == 0);
	require(rpcbuf_cursor_skip(&cursor, 0) == 0);
	require(same(&before, &cursor));
}

static void check_message(void)
{
	static const uint32_t steps[] = { 3, 4, 100, 4093, 100000 };

	for (size_t i = 0; i < WIRE_NR(steps); i++)
		walk(steps[i]);
	walk_windows();
	check_errors(0);
	check_errors(message.length / 2);
	check_errors(message.length);
}

/* Marks, in front and between, at every place around page boundaries. */
START_TEST(every_offset_near_an_edge)
{
	static const uint32_t cuts[][4] = {
		{ 60 },		     { 20, 40 },      { 0, 60 },
		{ 60, 0 },	     { 5, 0, 0, 70 }, { 4096, 4096 },
		{ 1, 4091, 1, 4095 }, { 9000 },
	};
	static const unsigned int nr[] = { 1, 2, 2, 2, 4, 2, 4, 1 };
	uint32_t offset;

	for (size_t i = 0; i < WIRE_NR(cuts); i++)
		for (offset = 0; offset < PAGE; offset++) {
			if (offset == 10)
				offset = PAGE - 100;
			lay_out((enum layout)_i, offset, cuts[i], nr[i]);
			check_message();
			release();
		}
}
END_TEST

/* Whole pages of marks only, and one byte per fragment. */
START_TEST(marks_fill_pages)
{
	static uint32_t sizes[MAX_FRAGMENTS];
	uint32_t offset;

	for (offset = 0; offset < 8; offset++) {
		memset(sizes, 0, sizeof(sizes));
		sizes[0] = 10;
		sizes[MAX_FRAGMENTS - 2] = 11;
		lay_out((enum layout)_i, offset, sizes, MAX_FRAGMENTS);
		check_message();
		release();
		for (unsigned int i = 0; i < MAX_FRAGMENTS; i++)
			sizes[i] = i & 1;
		lay_out((enum layout)_i, offset, sizes, MAX_FRAGMENTS);
		check_message();
		release();
	}
}
END_TEST

/* An empty record is an empty message. */
START_TEST(empty_message)
{
	static const uint32_t sizes[3];

	for (unsigned int nr = 1; nr <= 3; nr++) {
		lay_out(ADJACENT, PAGE - 6, sizes, nr);
		check_message();
		release();
	}
}
END_TEST

/* From every position to every position. */
START_TEST(seek)
{
	static const uint32_t sizes[] = { 3, 0, 9, 21, 0, 0, 17, 1 };
	struct rpcbuf_cursor cursor;

	lay_out((enum layout)_i, PAGE - 31, sizes, 8);
	rpcbuf_cursor_init(&cursor, &message);
	for (uint32_t from = 0; from <= message.length; from++)
		for (uint32_t to = 0; to <= message.length; to++) {
			require(rpcbuf_cursor_seek(&cursor, from) == 0);
			check_window(&cursor, from);
			require(rpcbuf_cursor_seek(&cursor, to) == 0);
			check_window(&cursor, to);
			check_read(&cursor, to, message.length - to);
		}
	release();
}
END_TEST

static void random_steps(uint64_t *seed)
{
	struct rpcbuf_cursor cursor;
	uint32_t position = 0, n;

	rpcbuf_cursor_init(&cursor, &message);
	for (int step = 0; step < 60; step++) {
		n = test_below(seed, 3) ? test_below(seed, 40)
					: test_below(seed, message.length + 1);
		check_window(&cursor, position);
		if (test_below(seed, 3) == 0) {
			n = test_below(seed, message.length + 1);
			require(rpcbuf_cursor_seek(&cursor, n) == 0);
			position = n;
		} else if (n > message.length - position) {
			check_errors(position);
		} else if (test_below(seed, 2)) {
			check_read(&cursor, position, n);
			position += n;
		} else {
			require(rpcbuf_cursor_skip(&cursor, n) == 0);
			position += n;
		}
	}
}

START_TEST(random_messages)
{
	uint64_t seed = test_seed();
	uint32_t sizes[64];

	for (int round = 0; round < TEST_ROUNDS(3000); round++) {
		uint32_t most = test_below(&seed, 4) ? 600 : 100000;
		uint32_t length = test_below(&seed, most);
		unsigned int nr = wire_cut(&seed, length, sizes, 64);

		lay_out((enum layout)test_below(&seed, LAYOUTS),
			test_below(&seed, PAGE), sizes, nr);
		random_steps(&seed);
		walk_windows();
		release();
	}
}
END_TEST

/* Pages that the message released are free when there is no other reference. */
START_TEST(release_drops_one_reference)
{
	static const uint32_t sizes[] = { 5000 };
	struct rpcbuf_mm_counts before = RPCBUF_MM_COUNTS_INIT, after = RPCBUF_MM_COUNTS_INIT;

	lay_out(SCATTERED, 100, sizes, 1);
	rpcbuf_mm_counts(mm, &before);
	rpcbuf_free_bulk_array(mm, 1, run); /* slots[0] too */
	ck_assert_int_eq(memcmp((uint8_t *)slots[1], body + PAGE - 104, 1008),
			 0);
	release();
	rpcbuf_mm_counts(mm, &after);
	ck_assert_uint_eq(before.pages_out, after.pages_out + 1);
	ck_assert_int_eq(memcmp((uint8_t *)run[2], body + PAGE - 104, 1008), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cursor");
	TCase *tcase = tcase_create("cursor");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, every_offset_near_an_edge, 0, LAYOUTS);
	tcase_add_loop_test(tcase, marks_fill_pages, 0, LAYOUTS);
	tcase_add_test(tcase, empty_message);
	tcase_add_loop_test(tcase, seek, 0, LAYOUTS);
	tcase_add_test(tcase, random_messages);
	tcase_add_test(tcase, release_drops_one_reference);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
