/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: handle_find() finds the first file handle of a call, or that there is
 * none, and no input confuses it.
 * Method: calls laid out by hand, anywhere in pages and in fragments of any
 * size; one is cut at every byte, and random bytes are put into it.
 */
#include <errno.h>

#include "call_util.h"
#include "rpcbuf/rqst/handle.h"

#define HANDLE "\x43\0\x12\x34"

/* What a call in fragments of any size begins with. */
static int handle_of(uint64_t *seed, uint8_t *handle)
{
	uint32_t sizes[50];
	unsigned int nr = wire_cut(seed, length, sizes, WIRE_NR(sizes));
	struct rpcbuf_message message = call_message(
		(uint32_t)test_below(seed, RPCBUF_PAGE_SIZE), sizes, nr);

	memset(handle, 0xee, 4);
	return handle_find(&message, handle, 4);
}

static void put_handle(uint32_t len)
{
	put(len);
	put(0x43001234);
	put_words(len / 4 - 1);
}

/* A compound of @nr operations that begins with @ops, up to a 0. */
static void put_ops(uint32_t tag, uint32_t nr, const uint32_t *ops)
{
	put_compound(60, tag, nr);
	for (; *ops; ops++) {
		put(*ops);
		if (*ops == 22)
			put_handle(28);
		else if (*ops == 53)
			put_words(8);
	}
}

START_TEST(compounds)
{
	static const struct {
		uint32_t nr, ops[4];
		int expected;
	} known[] = {
		{2, {22, 10}, 0},
		{3, {53, 22, 10}, 0},
		{2, {24, 10}, -ENXIO},
		{2, {23, 10}, -ENXIO},
		{3, {53, 24, 10}, -ENXIO},
		{1, {53}, -ENOENT},
		{1, {10}, -ENOENT},
		{2, {10, 22}, -ENOENT},
		{3, {53, 10, 22}, -ENOENT},
		{3, {53, 53, 22}, -ENOENT},
		/* The count is larger than the bytes that follow. */
		{0, {22, 10}, -ENOENT},
		{1, {53, 22, 10}, -ENOENT},
	};
	uint64_t seed = test_seed();
	uint8_t handle[4];
	int ret;

	for (unsigned int i = 0; i < TEST_ROUNDS(10000); i++) {
		unsigned int n = test_below(&seed, WIRE_NR(known));

		put_ops(test_below(&seed, 8) ? test_below(&seed, 9) : 3000,
			known[n].nr, known[n].ops);
		ret = handle_of(&seed, handle);
		require(ret == known[n].expected);
		require(ret || memcmp(handle, HANDLE, 4) == 0);
	}
}
END_TEST

/* v3: every procedure but NULL, and the side protocol; nothing else. */
START_TEST(v3)
{
	static const uint32_t programs[] = {100003, 100227, 100005, 100021};
	uint64_t seed = test_seed();
	uint8_t handle[4];

	for (uint32_t i = 0; i < WIRE_NR(programs) * 2 * 22; i++) {
		uint32_t procedure = i / WIRE_NR(programs) / 2;
		uint32_t version = 2 + i / WIRE_NR(programs) % 2;
		bool has = procedure && version == 3 &&
			   i % WIRE_NR(programs) < 2;

		put_head(programs[i % WIRE_NR(programs)], version, procedure);
		put(1);
		put_opaque(36);
		put(0);
		put(0);
		put_handle(32);
		require(handle_of(&seed, handle) == (has ? 0 : -ENOENT));
		require(!has || memcmp(handle, HANDLE, 4) == 0);
	}
	/* Too short a handle, and one that is cut. */
	put_head(100003, 3, 1);
	put(0);
	put(0);
	put(0);
	put(0);
	put(3);
	put(0x43001200);
	ck_assert_int_eq(handle_of(&seed, handle), -ENOENT);
	length -= 8;
	put_handle(4);
	ck_assert_int_eq(handle_of(&seed, handle), 0);
	length -= 4;
	ck_assert_int_eq(handle_of(&seed, handle), -ENOENT);
}
END_TEST

/* Calls under RPCSEC_GSS are not searched. */
START_TEST(sealed)
{
	uint64_t seed = test_seed();
	uint8_t handle[4];

	put_head(100003, 3, 1);
	put(6);
	put_opaque(28);
	put(6);
	put_opaque(12);
	put_handle(32);
	ck_assert_int_eq(handle_of(&seed, handle), -ENOENT);
	put_head(100003, 3, 1);
	put(1);
	put_opaque(28);
	put(6);
	put_opaque(12);
	put_handle(32);
	ck_assert_int_eq(handle_of(&seed, handle), 0);
}
END_TEST

/* Every length, and random bytes instead of others. */
START_TEST(any_bytes)
{
	uint64_t seed = test_seed();
	uint8_t handle[4];
	uint32_t whole, end;

	put_ops(8, 3, (const uint32_t[]){53, 22, 10, 0});
	whole = length;
	end = whole - 4 - 24; /* of the first bytes of the handle */
	for (length = 1; length <= whole; length++)
		require(handle_of(&seed, handle) ==
			(length < end ? -ENOENT : 0));
	length = whole;
	for (unsigned int i = 0; i < TEST_ROUNDS(100000); i++) {
		uint32_t at = 4 + test_below(&seed, whole - 4);
		uint8_t before = body[at];

		body[at] = (uint8_t)test_below(&seed, 256);
		(void)handle_of(&seed, handle);
		if (test_below(&seed, 4))
			body[at] = before;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handle");
	TCase *tcase = tcase_create("handle");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, compounds);
	tcase_add_test(tcase, v3);
	tcase_add_test(tcase, sealed);
	tcase_add_test(tcase, any_bytes);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
