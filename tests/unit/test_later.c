/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the answer "later" is a whole failure of the procedure that was called.
 * Method: the results of every procedure are held against what the RFC writes
 * for a failure of it.
 */
#include <arpa/inet.h>

#include "rpcbuf/rqst/later.h"
#include "wire_util.h"

#define JUKEBOX 10008
#define DELAY	10008

/* RFC 1813, 3.3: p for attributes after the operation, w for those before and
 * after it. */
static const char *const failures[] = {
	[0] = "",    [1] = "",	 [2] = "w",  [3] = "p",	 [4] = "p",
	[5] = "p",   [6] = "p",	 [7] = "w",  [8] = "w",	 [9] = "w",
	[10] = "w",  [11] = "w", [12] = "w", [13] = "w", [14] = "ww",
	[15] = "pw", [16] = "p", [17] = "p", [18] = "p", [19] = "p",
	[20] = "p",  [21] = "w", [22] = "",
};

static void check_v3(uint32_t program, uint32_t procedure, const char *failure)
{
	uint32_t words[LATER_WORDS];
	unsigned int nr = 1;

	memset(words, 0xee, sizeof(words));
	for (; *failure; failure++)
		nr += *failure == 'w' ? 2 : 1;
	ck_assert_uint_eq(later_results(program, 3, procedure, 0, words), nr);
	ck_assert_uint_eq(ntohl(words[0]), JUKEBOX);
	while (--nr)
		ck_assert_uint_eq(words[nr], 0);
}

START_TEST(v3)
{
	for (uint32_t i = 0; i < WIRE_NR(failures); i++)
		check_v3(100003, i, failures[i]);
	check_v3(100227, 1, "p");
	check_v3(100227, 2, "p");
}
END_TEST

/* The status, a tag, and an array of one result, which is a status too. */
START_TEST(compound)
{
	uint32_t words[LATER_WORDS];

	ck_assert_uint_eq(later_results(100003, 4, 1, 53, words), 4);
	ck_assert_uint_eq(ntohl(words[0]), DELAY);
	ck_assert_uint_eq(ntohl(words[1]), 1);
	ck_assert_uint_eq(ntohl(words[2]), 53);
	ck_assert_uint_eq(ntohl(words[3]), DELAY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("later");
	TCase *tcase = tcase_create("later");

	tcase_add_test(tcase, v3);
	tcase_add_test(tcase, compound);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
