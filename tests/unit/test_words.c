/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: words of a message are read correctly, wherever it is split, and none
 * past its end.
 * Method: messages of random bytes, in fragments of any size at any place of
 * their pages, are read and skipped at random, beside a plain array of the same
 * bytes.
 */
#include "call_util.h"
#include "rpcbuf/rqst/words.h"

/* One step of @words at byte *@at; false at the end. */
static bool step(struct words *words, uint32_t *at, uint64_t *seed)
{
	uint8_t bytes[200];
	uint32_t len = test_below(seed, sizeof(bytes) + 1), value;
	bool fits;

	switch (test_below(seed, 4)) {
	case 0:
		fits = *at + len <= length;
		require(words_read(words, bytes, len) == fits);
		require(!fits || memcmp(bytes, body + *at, len) == 0);
		break;
	case 1:
		len *= 20;
		fits = *at + len <= length;
		require(words_skip(words, len) == fits);
		break;
	default:
		len = sizeof(value);
		fits = *at + len <= length;
		require(words_take(words, &value) == fits);
		if (fits)
			value = htobe32(value);
		require(!fits || memcmp(&value, body + *at, len) == 0);
	}
	*at += len;
	return fits;
}

static void read_all(struct words *words, uint64_t *seed)
{
	uint32_t at = 0;

	while (step(words, &at, seed))
		;
}

START_TEST(anywhere)
{
	uint64_t seed = test_seed();
	uint32_t sizes[50];
	struct words words;

	for (unsigned int i = 0; i < TEST_ROUNDS(10000); i++) {
		struct rpcbuf_message message;
		unsigned int nr;

		length = 1 + test_below(&seed, MAX_BODY - 1000);
		for (uint32_t k = 0; k < length; k++)
			body[k] = (uint8_t)test_random(&seed);
		nr = wire_cut(&seed, length, sizes, WIRE_NR(sizes));
		message = call_message(test_below(&seed, RPCBUF_PAGE_SIZE),
				       sizes, nr);
		words_of_message(&words, &message);
		read_all(&words, &seed);
		words_of_bytes(&words, body, length);
		read_all(&words, &seed);
	}
}
END_TEST

/* Counts of units, which are padded; the beginning of a call, and a reply. */
START_TEST(parts)
{
	struct words_head head;
	struct words words;
	uint32_t value;

	length = 0;
	put(5);
	put(0);
	put(0);
	put(3);
	put(0);
	put(0);
	put(0);
	put(7);
	put(UINT32_MAX);
	words_of_bytes(&words, body, length);
	require(words_skip_counted(&words, 1));
	require(words_skip_counted(&words, 4));
	require(words_take(&words, &value) && value == 7);
	require(!words_skip_counted(&words, 4));
	put_compound(8, 0, 1);
	words_of_bytes(&words, body, length);
	require(words_take_head(&words, &head));
	require(head.xid == 0xabcdef01 && head.direction == 0);
	require(head.program == 100003 && head.version == 4);
	require(head.procedure == 1);
	require(words_take(&words, &value) && value == 1);
	body[7] = 1;
	words_of_bytes(&words, body, length);
	require(!words_take_head(&words, &head));
	require(head.xid == 0xabcdef01 && head.direction == 1);
	require(!head.program);
	words_of_bytes(&words, body, 5);
	require(!words_take_head(&words, &head));
	require(head.xid == 0xabcdef01 && head.direction == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("words");
	TCase *tcase = tcase_create("words");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, anywhere);
	tcase_add_test(tcase, parts);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
