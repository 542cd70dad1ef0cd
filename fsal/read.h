/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * read.h - the data of a READ lies in pages of the one budget.
 *
 * Ganesha has a block of its heap for them, which it hands to read2() and then,
 * by reference, to the reply.  The file is read into adjacent pages instead: what
 * one reply has given back, the next one is read into, while blocks of a
 * megabyte go back to the system and come again, a fault for each of their pages.
 * The block stays untouched and names the pages until the reply refers to them.
 * (The kernel's nfsd reads into rq_respages, nfsd_splice_read() and
 * nfsd_iter_read() in fs/nfsd/vfs.c.)
 *
 * Threads: as the call that it is part of.
 */
#ifndef FSAL_RPCBUF_READ_H
#define FSAL_RPCBUF_READ_H

#include <rpcbuf/writer.h>

#include "abi.h"

struct fsal_io_arg;

/* Of one call.  Zero-initialised there is none. */
struct read_data {
	void *first;	   /* page, or NULL */
	unsigned int nr;   /* pages */
	unsigned int lent; /* pages that are counted as lent, during the READ */
	bool shortened;	   /* a READ of the call was shortened */
	void *block;	   /* Ganesha's, which the pages replace */
	size_t bytes;	   /* read, rounded up as XDR does */
};

/* Where pages come from, before the first of the following. */
void read_start(struct rpcbuf *mm);

/*
 * read_lend - replace Ganesha's block in @arg by pages of @data.
 *
 * Returns false, and leaves @arg as it is, when the READ is short or asks for holes,
 * when @data has pages already, when there are no pages, and when READs in progress
 * have an eighth of the budget: so a file system that hangs pins no more.
 * Ganesha's block is read into then.  Never waits.
 */
bool read_lend(struct read_data *data, struct fsal_io_arg *arg);

/*
 * read_may_shorten, read_shorten - let @arg read less, into a block of that size in
 * the place of Ganesha's: for rpcbuf_call_be_short().
 *
 * One READ of a call.  Returns false when one was shortened before: the call is
 * answered with "later" then.
 */
bool read_may_shorten(const struct fsal_io_arg *arg);
bool read_shorten(struct read_data *data, struct fsal_io_arg *arg);

/* The READ has ended: puts Ganesha's block back into @arg.  @data keeps the pages that
 * have bytes; none when it @failed. */
void read_done(struct read_data *data, struct fsal_io_arg *arg, bool failed);

/* Are the pages of @data for the block that @uio refers to? */
bool read_is(const struct read_data *data, const struct xdr_uio *uio);

/* Moves the pages into a reply, and releases the block.  Returns false when the reply
 * cannot be encoded. */
bool read_refer(struct read_data *data, struct rpcbuf_writer *writer,
		struct xdr_uio *uio);

/* The call ends: frees the pages that no reply has taken. */
void read_exit(struct read_data *data);

#endif /* FSAL_RPCBUF_READ_H */
