/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * row.h - the stretches of a record that is written, in order.
 *
 * Knows nothing of pages, nor whose they are.  The first ones need no memory.  One
 * thread at a time.
 */
#ifndef RPCBUF_ENGINE_ROW_H
#define RPCBUF_ENGINE_ROW_H

#include <rpcbuf/writer.h>

static inline void row_init(struct rpcbuf_row *row)
{
	row->all = row->few;
	row->max = RPCBUF_WRITER_FEW;
	row->nr = 0;
}
void row_exit(struct rpcbuf_row *row);

static inline struct rpcbuf_stretch *row_last(struct rpcbuf_row *row)
{
	return &row->all[row->nr - 1];
}

/* A stretch behind the first @at.  False: there is no memory for it. */
bool row_insert(struct rpcbuf_row *row, unsigned int at, uint8_t *base,
		uint32_t length, uint32_t room);

/* Bytes of the first @nr stretches. */
static inline uint32_t row_bytes(const struct rpcbuf_row *row, unsigned int nr)
{
	uint32_t bytes = 0;

	while (nr)
		bytes += row->all[--nr].length;
	return bytes;
}

/* How many stretches there are in front of byte @offset, where one begins; 0: none
 * does, or it is the first. */
unsigned int row_find(const struct rpcbuf_row *row, uint32_t offset);

/* As rpcbuf_writer_stretches(), @start counted from the first stretch. */
int row_gather(const struct rpcbuf_row *row, uint32_t start, uint32_t len,
	       struct iovec *iov);

#endif /* RPCBUF_ENGINE_ROW_H */
