/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/row.h"

#include <stdlib.h>
#include <string.h>

#include "rpcbuf/os/bits.h"

static bool grow(struct rpcbuf_row *row)
{
	bool few = row->all == row->few;
	struct rpcbuf_stretch *more =
		realloc(few ? NULL : row->all, 2 * row->max * sizeof(*more));

	if (!more)
		return false;
	if (few)
		memcpy(more, row->few, sizeof(row->few));
	row->all = more;
	row->max *= 2;
	return true;
}

bool row_insert(struct rpcbuf_row *row, unsigned int at, uint8_t *base,
		uint32_t length, uint32_t room)
{
	if (row->nr == row->max && !grow(row))
		return false;
	memmove(&row->all[at + 1], &row->all[at],
		(row->nr - at) * sizeof(*row->all));
	row->all[at] = (struct rpcbuf_stretch){base, length, room};
	row->nr++;
	return true;
}

unsigned int row_find(const struct rpcbuf_row *row, uint32_t offset)
{
	unsigned int nr = 0;
	uint32_t bytes = 0;

	while (nr < row->nr && bytes < offset)
		bytes += row->all[nr++].length;
	return bytes == offset ? nr : 0;
}

int row_gather(const struct rpcbuf_row *row, uint32_t start, uint32_t len,
	       struct iovec *iov)
{
	int nr = 0;

	for (unsigned int i = 0; i < row->nr && len; i++) {
		const struct rpcbuf_stretch *s = &row->all[i];
		uint32_t skip = rpcbuf_min(s->length, start);
		uint32_t n = rpcbuf_min(s->length - skip, len);

		if (n && iov)
			iov[nr] = (struct iovec){s->base + skip, n};
		nr += n > 0;
		start -= skip;
		len -= n;
	}
	return len ? -1 : nr;
}

void row_exit(struct rpcbuf_row *row)
{
	if (row->all != row->few)
		free(row->all);
}
