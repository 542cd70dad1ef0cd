/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Helpers for tests of page vectors: an instance, a vector, and a shortage of
 * pages. */
#ifndef TESTS_RQST_UTIL_H
#define TESTS_RQST_UTIL_H

#include <rpcbuf/rqst.h>

#include "wire_util.h"

#define VECTOR 40u

static struct rpcbuf *mm;
static struct rpcbuf_rqst *rqst;
static struct rpcbuf_service service;
static void *held[4096]; /* pages that the test keeps */
static unsigned int nr_held;

static inline void setup_pages(unsigned int nr)
{
	mm = test_create(nr);
	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, &service, VECTOR), 0);
}

static inline void setup(void)
{
	setup_pages(1024);
}

static inline void teardown(void)
{
	rpcbuf_free_bulk_array(mm, nr_held, held);
	rpcbuf_rqst_destroy(rqst);
	ck_assert(!rpcbuf_wait_pending(mm));
	test_destroy(mm);
}

/* Allocates all pages but @left. */
static inline void leave(unsigned int left)
{
	nr_held += rpcbuf_alloc_bulk_array(mm, 0, 4096 - nr_held,
					   held + nr_held);
	ck_assert_uint_ge(nr_held, left);
	nr_held -= left;
	rpcbuf_free_bulk_array(mm, left, held + nr_held);
}

static inline uint64_t out(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_out;
}

/* An array of so many separate pages, then a NULL. */
static inline void check_populated(struct rpcbuf_rqst *r, unsigned int nr)
{
	void **pages = rpcbuf_rqst_pages(r);

	require(rpcbuf_rqst_populated(r) == nr);
	for (unsigned int i = 0; i < nr; i++) {
		require(rpcbuf_owns(mm, pages[i]));
		for (unsigned int j = 0; j < i; j++)
			require(pages[i] != pages[j]);
	}
	require(pages[nr] == NULL);
}

static inline void check_full(struct rpcbuf_rqst *r)
{
	check_populated(r, rpcbuf_rqst_maxpages(r));
}

#endif /* TESTS_RQST_UTIL_H */
