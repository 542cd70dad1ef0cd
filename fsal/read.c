/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "read.h"

#include <rpcbuf/bulk.h>
#include <string.h>

#include "nfs_core.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/plain.h"

/* Below, a block of malloc's is as cheap. */
#define READ_MIN ((size_t)8 << 10)
/* Length of a READ that is shortened. */
#define READ_SHORT READ_MIN
#define READ_MAX ((size_t)RPCBUF_RUN_MAX << RPCBUF_PAGE_SHIFT)

/* READs in progress may use this fraction of the budget. */
#define LENT_FRACTION 8

static struct rpcbuf *read_mm;
static uint64_t lent_max; /* pages */
static uint64_t lent;	  /* pages; atomic */

void read_start(struct rpcbuf *mm)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	lent_max = counts.pages_total / LENT_FRACTION;
	read_mm = mm;
}

static void end_loan(struct read_data *data)
{
	os_fetch_add(&lent, -(uint64_t)data->lent);
	data->lent = 0;
}

/* Adjacent pages, unless a call waits for pages. */
static void *alloc_adjacent(unsigned int nr)
{
	void *pages[RPCBUF_RUN_MAX];

	if (rpcbuf_wait_pending(read_mm) ||
	    !rpcbuf_alloc_run(read_mm, nr, pages))
		return NULL;
	return pages[0];
}

/* The pages of @data behind the first @keep. */
static void free_tail(struct read_data *data, unsigned int keep)
{
	char *first = data->first;

	if (data->nr > keep)
		rpcbuf_free_contig(read_mm, first + keep * RPCBUF_PAGE_SIZE,
				   data->nr - keep);
	data->nr = keep;
	if (!keep)
		data->first = NULL;
}

/* True for one buffer, without holes. */
static bool is_plain(const struct fsal_io_arg *arg)
{
	return !arg->info && arg->iov_count == 1;
}

bool read_lend(struct read_data *data, struct fsal_io_arg *arg)
{
	struct iovec *iov = arg->iov;
	unsigned int nr;

	if (data->first || !is_plain(arg) || iov->iov_len < READ_MIN ||
	    iov->iov_len > READ_MAX)
		return false;
	nr = rpcbuf_pages_spanned(0, iov->iov_len);
	/* Concurrent callers may exceed the limit by one READ each. */
	if (os_load(&lent) + nr > lent_max)
		return false;
	data->first = alloc_adjacent(nr);
	if (!data->first)
		return false;
	data->nr = data->lent = nr;
	os_fetch_add(&lent, nr);
	data->block = iov->iov_base;
	iov->iov_base = data->first;
	return true;
}

bool read_may_shorten(const struct fsal_io_arg *arg)
{
	return is_plain(arg) && arg->iov[0].iov_len > READ_SHORT;
}

bool read_shorten(struct read_data *data, struct fsal_io_arg *arg)
{
	struct iovec *iov = arg->iov;

	if (data->shortened)
		return false;
	data->shortened = true;
	/* The server's allocator, which may be another one than this module's. */
	mem_free(iov->iov_base, iov->iov_len);
	iov->iov_base = mem_alloc(READ_SHORT);
	iov->iov_len = READ_SHORT;
	return true;
}

void read_done(struct read_data *data, struct fsal_io_arg *arg, bool failed)
{
	struct iovec *iov = arg->iov;
	size_t bytes;

	end_loan(data);
	iov->iov_base = data->block;
	/* A file system may return a larger number than it was asked for. */
	arg->io_amount = rpcbuf_min(arg->io_amount, iov->iov_len);
	bytes = failed ? 0 : arg->io_amount;
	data->bytes = RNDUP(bytes);
	free_tail(data, rpcbuf_pages_spanned(0, bytes));
	if (data->first)
		memset((char *)data->first + bytes, 0, data->bytes - bytes);
}

bool read_is(const struct read_data *data, const struct xdr_uio *uio)
{
	return data->first && uio->uio_count == 1 &&
	       uio->uio_vio[0].vio_base == data->block;
}

bool read_refer(struct read_data *data, struct rpcbuf_writer *writer,
		struct xdr_uio *uio)
{
	const struct xdr_vio *v = &uio->uio_vio[0];

	if ((size_t)(v->vio_tail - v->vio_head) != data->bytes ||
	    rpcbuf_writer_refer(writer, data->first, data->bytes) ||
	    rpcbuf_reply_own_run(writer->reply, data->nr, data->first))
		return false;
	data->first = NULL;
	uio->uio_release(uio, UIO_FLAG_NONE);
	return true;
}

void read_exit(struct read_data *data)
{
	if (!data->first)
		return;
	end_loan(data);
	free_tail(data, 0);
}
