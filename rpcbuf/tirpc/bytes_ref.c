/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Counted bytes by reference.  What a reference owns is in `owned`: the array
 * of pieces, or the copy that another kind of stream made necessary.
 */
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/tirpc/xdr_pages.h"

/* Copying fewer is cheaper than another entry of a vector. */
#define ATTACH_MIN 1024u
/* The length is not trusted: memory is allocated as bytes arrive. */
#define COPY_STEP  ((uint32_t)64 << 10)

static bool_t decode_copy(XDR *xdrs, rpcbuf_bytes_ref *ref, uint32_t len)
{
	char *data = NULL;
	uint32_t have = 0;

	while (have < len) {
		uint32_t n = rpcbuf_max(have, COPY_STEP);
		char *more;

		n = rpcbuf_min(n, len - have);
		more = realloc(data, (size_t)have + n);
		if (!more || !XDR_GETBYTES(xdrs, more + have, n)) {
			free(more ? more : data);
			return FALSE;
		}
		data = more;
		have += n;
	}
	ref->data = ref->owned = data;
	return TRUE;
}

static uint32_t padding(uint32_t len)
{
	return -len & (BYTES_PER_XDR_UNIT - 1);
}

static bool_t decode(XDR *xdrs, rpcbuf_bytes_ref *ref)
{
	char pad[BYTES_PER_XDR_UNIT];
	uint32_t len;

	*ref = (rpcbuf_bytes_ref){0};
	if (!xdr_u_int(xdrs, &len))
		return FALSE;
	if (!xdr_is_read(xdrs)) {
		if (!decode_copy(xdrs, ref, len))
			return FALSE;
	} else if (!xdr_read_refer(xdr_state(xdrs), len, &ref->data, &ref->iov,
				   &ref->nr_iov)) {
		return FALSE;
	} else {
		ref->owned = ref->iov;
	}
	ref->length = len;
	if (!padding(len) || XDR_GETBYTES(xdrs, pad, padding(len)))
		return TRUE;
	free(ref->owned);
	*ref = (rpcbuf_bytes_ref){0};
	return FALSE;
}

static bool_t encode_piece(XDR *xdrs, void *data, size_t len)
{
	if (len >= ATTACH_MIN && xdr_is_write(xdrs))
		return xdr_write_attach(xdr_state(xdrs), data, (uint32_t)len);
	return !len || XDR_PUTBYTES(xdrs, data, (u_int)len);
}

static bool_t encode_ref(XDR *xdrs, rpcbuf_bytes_ref *ref)
{
	uint32_t left = ref->length;

	if (!xdr_u_int(xdrs, &ref->length))
		return FALSE;
	if (ref->data) {
		if (!encode_piece(xdrs, ref->data, left))
			return FALSE;
		left = 0;
	}
	for (unsigned int i = 0; left && i < ref->nr_iov; i++) {
		size_t n = rpcbuf_min(ref->iov[i].iov_len, (size_t)left);

		if (!encode_piece(xdrs, ref->iov[i].iov_base, n))
			return FALSE;
		left -= (uint32_t)n;
	}
	return !left && (!padding(ref->length) ||
			 XDR_PUTBYTES(xdrs, "\0\0\0", padding(ref->length)));
}

bool_t xdr_rpcbuf_bytes_ref(XDR *xdrs, rpcbuf_bytes_ref *ref)
{
	switch (xdrs->x_op) {
	case XDR_DECODE:
		return decode(xdrs, ref);
	case XDR_ENCODE:
		return encode_ref(xdrs, ref);
	case XDR_FREE:
		free(ref->owned);
		*ref = (rpcbuf_bytes_ref){0};
		return TRUE;
	}
	return FALSE;
}

size_t rpcbuf_bytes_ref_copy(const rpcbuf_bytes_ref *ref, size_t from, void *to,
			     size_t len)
{
	size_t copied = 0;

	if (from >= ref->length)
		return 0;
	len = rpcbuf_min(len, ref->length - from);
	if (ref->data) {
		memcpy(to, (char *)ref->data + from, len);
		return len;
	}
	for (unsigned int i = 0; i < ref->nr_iov && copied < len; i++) {
		const struct iovec *iov = &ref->iov[i];
		size_t n;

		if (from >= iov->iov_len) {
			from -= iov->iov_len;
			continue;
		}
		n = rpcbuf_min(iov->iov_len - from, len - copied);
		memcpy((char *)to + copied, (char *)iov->iov_base + from, n);
		copied += n;
		from = 0;
	}
	return copied;
}
