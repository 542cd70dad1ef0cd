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
	void *first;	   /* of the pages; NULL: there are none */
	unsigned int nr;   /* of these */
	unsigned int lent; /* of these, while they are read into */
	bool is_short;	   /* a READ of the call was shortened */
	void *block;	   /* Ganesha's, that they are instead of */
	size_t bytes;	   /* that were read, rounded up as XDR does */
};

/* Where pages come from, before the first of the following. */
void read_start(struct rpcbuf *mm);

/*
 * read_lend - @arg, on its way down, reads into pages of @data.
 *
 * False, and @arg is as it was, where it is short, looks for holes as well, @data
 * has pages already, or there are none: then Ganesha's block does.  So it does
 * where an eighth of the budget is lent and not yet read into: a file system that
 * hangs keeps no more.  Never waits.
 */
bool read_lend(struct read_data *data, struct fsal_io_arg *arg);

/*
 * read_may_shorten, read_shorten - @arg, on its way down, reads less, into a block
 * of that size instead of Ganesha's: for rpcbuf_call_be_short().
 *
 * One of a call; false: it is to be told to come later, as @data was shortened
 * before.
 */
bool read_may_shorten(const struct fsal_io_arg *arg);
bool read_shorten(struct read_data *data, struct fsal_io_arg *arg);

/* It was read, or with @failed was not: @arg names Ganesha's block again, @data
 * keeps the pages that there are bytes in. */
void read_done(struct read_data *data, struct fsal_io_arg *arg, bool failed);

/* Are the pages of @data for the block that @uio refers to? */
bool read_is(const struct read_data *data, const struct xdr_uio *uio);

/* Puts them into a reply, whose they are then, and lets go of the block.  False:
 * the reply cannot be encoded. */
bool read_refer(struct read_data *data, struct rpcbuf_writer *writer,
		struct xdr_uio *uio);

/* Of a call that ends: what no reply has taken goes back. */
void read_exit(struct read_data *data);

#endif /* FSAL_RPCBUF_READ_H */
