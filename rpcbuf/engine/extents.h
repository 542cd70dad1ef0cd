/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * extents.h - the extents of a record that is written, in order.
 *
 * Knows nothing of pages and their owners.  The first extents need no memory.
 * One thread at a time.
 */
#ifndef RPCBUF_ENGINE_EXTENTS_H
#define RPCBUF_ENGINE_EXTENTS_H

#include <rpcbuf/writer.h>

static inline void extents_init(struct rpcbuf_extents *extents)
{
	extents->all = extents->few;
	extents->max = RPCBUF_WRITER_FEW;
	extents->nr = 0;
}
void extents_exit(struct rpcbuf_extents *extents);

static inline struct rpcbuf_extent *extents_last(struct rpcbuf_extents *extents)
{
	return &extents->all[extents->nr - 1];
}

/* Inserts an extent behind the first @at.  False: out of memory. */
bool extents_insert(struct rpcbuf_extents *extents, unsigned int at,
		    uint8_t *base, uint32_t length, uint32_t room);

/* Bytes of the first @nr extents. */
static inline uint32_t extents_bytes(const struct rpcbuf_extents *extents,
				     unsigned int nr)
{
	uint32_t bytes = 0;

	while (nr)
		bytes += extents->all[--nr].length;
	return bytes;
}

/* The number of extents in front of byte @offset, if one begins there; else,
 * and for the first one, 0. */
unsigned int extents_find(const struct rpcbuf_extents *extents,
			  uint32_t offset);

/* As rpcbuf_writer_iov(), @start counted from the first extent. */
int extents_gather(const struct rpcbuf_extents *extents, uint32_t start,
		   uint32_t len, struct iovec *iov);

#endif /* RPCBUF_ENGINE_EXTENTS_H */
