/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A program of a user, in C: built by tests/check-package. */
#include <stdio.h>
#include <string.h>

#include <rpcbuf/mm.h>

int main(void)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	void *pages[257] = {NULL};
	struct rpcbuf *mm;
	unsigned int i, nr;

	if (rpcbuf_create(&mm, &options))
		return 1;
	nr = rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_ZERO, 257, pages);
	for (i = 0; i < nr; i++)
		memset(pages[i], (int)i, RPCBUF_PAGE_SIZE);
	rpcbuf_free_bulk_array(mm, 257, pages);
	printf("%u pages\n", nr);
	return rpcbuf_destroy(mm) || nr != 257;
}
