/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include "rpcbuf/engine/extents.h"

#include <stdlib.h>
#include <string.h>

#include "rpcbuf/os/bits.h"

static bool grow_extents(struct rpcbuf_extents *extents)
{
	bool few = extents->all == extents->few;
	struct rpcbuf_extent *more = realloc(few ? NULL : extents->all,
					     2 * extents->max * sizeof(*more));

	if (!more)
		return false;
	if (few)
		memcpy(more, extents->few, sizeof(extents->few));
	extents->all = more;
	extents->max *= 2;
	return true;
}

bool extents_insert(struct rpcbuf_extents *extents, unsigned int at,
		    uint8_t *base, uint32_t length, uint32_t room)
{
	if (extents->nr == extents->max && !grow_extents(extents))
		return false;
	memmove(&extents->all[at + 1], &extents->all[at],
		(extents->nr - at) * sizeof(*extents->all));
	extents->all[at] = (struct rpcbuf_extent){base, length, room};
	extents->nr++;
	return true;
}

unsigned int extents_find(const struct rpcbuf_extents *extents, uint32_t offset)
{
	unsigned int nr = 0;
	uint32_t bytes = 0;

	while (nr < extents->nr && bytes < offset)
		bytes += extents->all[nr++].length;
	return bytes == offset ? nr : 0;
}

int extents_gather(const struct rpcbuf_extents *extents, uint32_t start,
		   uint32_t len, struct iovec *iov)
{
	int nr = 0;

	for (unsigned int i = 0; i < extents->nr && len; i++) {
		const struct rpcbuf_extent *e = &extents->all[i];
		uint32_t skip = rpcbuf_min(e->length, start);
		uint32_t n = rpcbuf_min(e->length - skip, len);

		if (n && iov)
			iov[nr] = (struct iovec){e->base + skip, n};
		nr += n > 0;
		start -= skip;
		len -= n;
	}
	return len ? -ERANGE : nr;
}

void extents_exit(struct rpcbuf_extents *extents)
{
	if (extents->all != extents->few)
		free(extents->all);
}
