/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a trace names a call and the operations of an NFSv4 compound, whatever
 * their arguments contain, and no input confuses it.
 * Method: calls laid out by hand, with arguments of every operation as in the
 * RFCs, in one fragment and in many; each is cut at every byte, and random
 * bytes are put into it.
 */
#include "call_util.h"
#include "rpcbuf/rqst/peek.h"

static void put_bitmap(uint32_t words)
{
	put(words);
	put_words(words);
}

/* 4, 8, s: words; o, b: a counted one, with its length: o5, b2; =: a value. */
static void put_shape(const char *shape)
{
	for (; *shape; shape++) {
		if (*shape == '4')
			put_words(1);
		else if (*shape == '8')
			put_words(2);
		else if (*shape == 's')
			put_words(4);
		else if (*shape == 'o')
			put_opaque((uint32_t)(*++shape - '0'));
		else if (*shape == 'b')
			put_bitmap((uint32_t)(*++shape - '0'));
		else if (*shape == '=')
			put((uint32_t)(*++shape - '0'));
	}
}

/* Peeks at the body, in fragments of @sizes. */
static struct peek look(const uint32_t *sizes, unsigned int nr)
{
	struct rpcbuf_message message = call_message(100, sizes, nr);
	struct peek peek;

	memset(&peek, 0xee, sizeof(peek));
	peek_message(&peek, &message);
	return peek;
}

static struct peek look_whole(void)
{
	return look(&length, 1);
}

START_TEST(heads)
{
	struct peek peek;

	put_head(100003, 3, 6);
	put_words(20);
	peek = look_whole();
	ck_assert_uint_eq(peek.xid, 0xabcdef01);
	ck_assert_uint_eq(peek.program, 100003);
	ck_assert_uint_eq(peek.version, 3);
	ck_assert_uint_eq(peek.procedure, 6);
	ck_assert(!peek.reply && !peek.cut && !peek.nr_ops);

	length = 4;
	put(1);
	put_words(10);
	peek = look_whole();
	ck_assert_uint_eq(peek.xid, 0xabcdef01);
	ck_assert(peek.reply && !peek.cut);
	ck_assert_uint_eq(peek.program, 0);

	/* Other programs have no operations. */
	put_head(100005, 4, 1);
	put_words(20);
	peek = look_whole();
	ck_assert(!peek.cut && !peek.nr_ops);
}
END_TEST

/* Arguments as in the RFCs; several entries for those with cases. */
static const struct {
	uint32_t op;
	const char *shape;
} operations[] = {
	{3, "4"},
	{4, "4s"},
	{5, "84"},
	{6, "=2o5b2o7"},	 /* a directory */
	{6, "=38o5b2o7"},	 /* a block device */
	{6, "=48o1b0o0"},	 /* a character device */
	{6, "=5o9o5b1o4"},	 /* a link */
	{6, "=6o4b0o0"},	 /* a socket */
	{6, "=7o3b3o9"},	 /* a fifo */
	{7, "8"},
	{8, "s"},
	{9, "b2"},
	{10, ""},
	{11, "o5"},
	{12, "4488=14s48o9"},	 /* a new lock owner */
	{12, "4488=0s4"},	 /* a known one */
	{13, "4888o6"},
	{14, "44s88"},
	{15, "o1"},
	{16, ""},
	{17, "b2o8"},
	{18, "4448o7=0=0o4"},	 /* no create, by name */
	{18, "4448o7=1=0b2o8=0o3"}, /* unchecked */
	{18, "4448o7=1=1b1o4=0o3"}, /* guarded */
	{18, "4448o7=1=28=0o3"}, /* exclusive */
	{18, "4448o7=1=38b2o8=0o9"}, /* exclusive, of 4.1 */
	{18, "4448o7=0=14"},	 /* reclaimed */
	{18, "4448o7=0=2so3"},	 /* of a delegation */
	{18, "4448o7=0=3o3"},	 /* of an earlier one */
	{18, "4448o7=0=4"},	 /* by handle */
	{18, "4448o7=0=5s"},
	{18, "4448o7=0=6"},
	{19, "4"},
	{20, "s4"},
	{21, "s444"},
	{22, "o8"},
	{23, ""},
	{24, ""},
	{25, "s84"},
	{26, "8844b3"},
	{27, ""},
	{28, "o2"},
	{29, "o2o3"},
	{30, "8"},
	{31, ""},
	{32, ""},
	{33, "o6"},
	{34, "sb2o8"},
	{35, "8o94o3o94"},
	{36, "88"},
	{37, "b1o4"},
	{38, "s84o9"},
	{39, "8o5"},
	{41, "s44"},
	{44, "s"},
	{45, "s"},
	{47, "s44b1"},
	{48, "4488"},
	{50, "444888s4"},
	{52, "4"},
	{53, "s4444"},
	{54, "o4o4"},
	{57, "8"},
	{58, "4"},
	{59, "s88"},
	{60, "ss88844=0"},
	{62, "s88"},
	{63, "s88b1"},
	{66, "s"},
	{67, "s"},
	{68, "s84"},
	{69, "s84"},
	{71, "ss888"},
	{72, "o4"},
	{73, "4o4o5"},
	{74, "84"},
	{75, "o7"},
};

/* Behind each operation another one is found, in any fragments. */
START_TEST(every_operation)
{
	uint64_t seed = test_seed();

	for (unsigned int i = 0; i < WIRE_NR(operations); i++) {
		uint32_t sizes[100];
		struct peek peek;

		put_compound(i % 9, i % 5, 3);
		put(22);
		put_shape("o5");
		put(operations[i].op);
		put_shape(operations[i].shape);
		put(9);
		put_shape("b2");
		for (unsigned int j = 0; j < 10; j++) {
			peek = look(sizes, wire_cut(&seed, length, sizes,
						    j ? 100 : 1));
			if (peek.cut || peek.ops[1] != operations[i].op ||
			    peek.ops[2] != 9)
				ck_abort_msg("operation %u, %s",
					     operations[i].op,
					     operations[i].shape);
			require(peek.nr_ops == 3 && peek.ops[0] == 22);
			require(peek.ops[3] == 0);
		}
	}
}
END_TEST

START_TEST(unknown)
{
	struct peek peek;

	/* Arguments of the last one are not read. */
	put_compound(20, 0, 2);
	put(24);
	put(42);
	put_words(10);
	peek = look_whole();
	ck_assert(!peek.cut);
	ck_assert_uint_eq(peek.ops[1], 42);

	put_compound(20, 0, 3);
	put(24);
	put(10044);
	put(9);
	put_words(3);
	peek = look_whole();
	ck_assert(peek.cut);
	ck_assert_uint_eq(peek.nr_ops, 3);
	ck_assert_uint_eq(peek.ops[1], 255);
	ck_assert_uint_eq(peek.ops[2], 0);

	put_compound(20, 0, UINT32_MAX);
	for (unsigned int i = 0; i < 300; i++)
		put(10);
	peek = look_whole();
	ck_assert(!peek.cut);
	ck_assert_uint_eq(peek.nr_ops, 255);
	for (unsigned int i = 0; i < PEEK_OPS; i++)
		ck_assert_uint_eq(peek.ops[i], 10);
}
END_TEST

/* RPCSEC_GSS: procedure and service, in front of the arguments. */
static struct peek look_gss(uint32_t procedure, uint32_t service, uint32_t seal)
{
	put_head(100003, 4, 1);
	put(6);
	put(5 * 4 + 8);
	put(1);
	put(procedure);
	put(77);
	put(service);
	put_opaque(8);
	put(6);
	put_opaque(12);
	put_words(seal);
	put_opaque(0);
	put(0);
	put(2);
	put(24);
	put(10);
	return look_whole();
}

START_TEST(sealed)
{
	struct peek peek = look_gss(0, 1, 0);

	ck_assert(!peek.cut && peek.nr_ops == 2 && peek.ops[1] == 10);
	peek = look_gss(0, 2, 2);
	ck_assert(!peek.cut && peek.nr_ops == 2 && peek.ops[1] == 10);
	peek = look_gss(0, 3, 0);
	ck_assert(peek.cut && !peek.nr_ops);
	peek = look_gss(1, 1, 0);
	ck_assert(peek.cut && !peek.nr_ops);
}
END_TEST

START_TEST(any_bytes)
{
	uint64_t seed = test_seed();
	uint32_t whole, at;

	put_compound(20, 8, 3);
	put(18);
	put_shape("4448o7=1=38b2o8=0o9");
	put(38);
	put_shape("s84o9");
	put(9);
	whole = length;
	for (length = 0; length < whole; length++)
		require(look_whole().cut == (length >= 24));
	length = whole;
	for (unsigned int i = 0; i < TEST_ROUNDS(100000); i++) {
		uint8_t before;

		at = 24 + test_below(&seed, whole - 24);
		before = body[at];
		body[at] = (uint8_t)test_below(&seed, 256);
		(void)look_whole();
		if (test_below(&seed, 4))
			body[at] = before;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peek");
	TCase *tcase = tcase_create("peek");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, heads);
	tcase_add_test(tcase, every_operation);
	tcase_add_test(tcase, unknown);
	tcase_add_test(tcase, sealed);
	tcase_add_test(tcase, any_bytes);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
