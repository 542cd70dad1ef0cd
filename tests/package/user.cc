// SPDX-License-Identifier: LGPL-3.0-or-later
// A program of a user, in C++: built by tests/check-package.
#include <cstdio>
#include <vector>

#include <rpcbuf/mm.h>
#include <rpcbuf/rqst.h>

int main()
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf *mm;
	struct rpcbuf_rqst *rqst;
	std::vector<void *> pages(64);

	if (rpcbuf_create(&mm, &options) || waiter.eventfd != -1)
		return 1;
	if (rpcbuf_alloc_bulk_array(mm, 0, 64, pages.data()) != 64)
		return 1;
	rpcbuf_free_bulk_array(mm, 64, pages.data());
	if (rpcbuf_rqst_create(&rqst, mm, nullptr, 257) ||
	    rpcbuf_rqst_fill(rqst))
		return 1;
	std::printf("%u pages\n", rpcbuf_rqst_populated(rqst));
	rpcbuf_rqst_destroy(rqst);
	return rpcbuf_destroy(mm) ? 1 : 0;
}
