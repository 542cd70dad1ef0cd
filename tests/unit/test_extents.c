/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the extents of a record are in order, are found by their offset, and
 * are gathered from any byte to any other.
 * Method: extents of random lengths are inserted at random places, beside a
 * plain array of the same; each offset and many ranges are looked up.
 */
#include "rpcbuf/engine/extents.h"
#include "wire_util.h"

#define MOST 100u

static uint8_t bytes[MOST * 16];
static uint8_t *bases[MOST];
static uint32_t lengths[MOST];
static unsigned int nr;

static void insert(struct rpcbuf_extents *extents, unsigned int at,
		   uint8_t *base, uint32_t length)
{
	require(extents_insert(extents, at, base, length, 16));
	memmove(&bases[at + 1], &bases[at], (nr - at) * sizeof(*bases));
	memmove(&lengths[at + 1], &lengths[at], (nr - at) * sizeof(*lengths));
	bases[at] = base;
	lengths[at] = length;
	nr++;
}

/* Index of the first extent that begins at byte @offset; `nr` at the end of the
 * record; 0: none, or the first of all. */
static unsigned int find(uint32_t offset)
{
	uint32_t at = 0;

	for (unsigned int i = 0; i < nr; i++) {
		if (at == offset)
			return i;
		at += lengths[i];
	}
	return at == offset ? nr : 0;
}

static void check_gather(const struct rpcbuf_extents *extents, uint32_t start,
			 uint32_t len, uint32_t all)
{
	struct iovec iov[MOST];
	int count = extents_gather(extents, start, len, NULL), i = 0;
	uint32_t at = 0;

	require((count < 0) == (len && start + len > all));
	if (count < 0)
		return;
	require(extents_gather(extents, start, len, iov) == count);
	for (unsigned int k = 0; k < nr && len; at += lengths[k++]) {
		uint32_t skip = start > at ? start - at : 0, n;

		if (skip >= lengths[k])
			continue;
		n = lengths[k] - skip < len ? lengths[k] - skip : len;
		require(i < count && iov[i].iov_base == bases[k] + skip);
		require(iov[i++].iov_len == n);
		len -= n;
		start += n;
	}
	require(i == count);
}

START_TEST(any_row)
{
	uint64_t seed = test_seed();
	struct rpcbuf_extents extents;

	for (unsigned int i = 0; i < TEST_ROUNDS(1000); i++) {
		unsigned int most = 1 + test_below(&seed, MOST);
		uint32_t all;

		extents_init(&extents);
		for (nr = 0; nr < most;)
			insert(&extents, test_below(&seed, nr + 1),
			       bytes + (size_t)nr * 16, test_below(&seed, 17));
		require(extents.nr == nr);
		require(extents_last(&extents)->base == bases[nr - 1]);
		all = extents_bytes(&extents, nr);
		for (uint32_t k = 0; k <= all + 1; k++)
			require(extents_find(&extents, k) == find(k));
		for (unsigned int k = 0; k < 100; k++)
			check_gather(&extents, test_below(&seed, all + 2),
				     test_below(&seed, all + 2), all);
		extents_exit(&extents);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("row");
	TCase *tcase = tcase_create("row");

	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, any_row);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
