/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: decoding from pages, and encoding into them, agrees with xdrmem for any
 * bytes, in any pages and any fragments.
 * Method: the input is a place in the pages, a way to cut, a list of operations
 * and a message.  Both streams decode it, and every result and position must
 * agree; both then encode what they decoded, and the bytes are compared.
 * References to bytes must equal the bytes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <rpcbuf/tirpc.h>

#define PAGES	 16u
#define BODY_MAX 20000u
#define BLOB_MAX 5000u
#define OPS_MAX	 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
	INT,
	HYPER,
	OPAQUE,
	STRING,
	REF,
	INLINE,
	SEEK,
	NR_OPS
};

struct value {
	int kind;
	u_int number, length;
	quad_t hyper;
	char bytes[BLOB_MAX + 1];
};

static _Alignas(RPCBUF_PAGE_SIZE) uint8_t arena[2 * PAGES][RPCBUF_PAGE_SIZE];
static void *pages[PAGES];
static struct value a, b;

/* Lays the message into the pages as a record; returns its length there. */
static uint32_t lay_record(uint32_t offset, uint8_t cut, const uint8_t *body,
			   uint32_t len, uint32_t *fragments)
{
	uint32_t at = offset, done = 0;
	uint8_t mark[4];

	*fragments = 0;
	do {
		uint32_t n = cut ? 1 + (cut * *fragments * 37u) % 300 : len;

		if (*fragments % 5 == 4)
			n = 0;
		if (n > len - done || *fragments == 60)
			n = len - done;
		for (int i = 0; i < 4; i++)
			mark[i] = (uint8_t)(n >> (24 - 8 * i));
		if (n == len - done)
			mark[0] |= 0x80;
		for (uint32_t i = 0; i < 4 + n; i++, at++)
			((uint8_t *)pages[at /
					  RPCBUF_PAGE_SIZE])[at %
							     RPCBUF_PAGE_SIZE] =
				i < 4 ? mark[i] : body[done + i - 4];
		done += n;
		++*fragments;
	} while (!(mark[0] & 0x80));
	return at - offset;
}

static bool_t code_inline(XDR *xdrs, struct value *v)
{
	int32_t *at = XDR_INLINE(xdrs, v->length);

	if (at && xdrs->x_op == XDR_DECODE)
		memcpy(v->bytes, at, v->length);
	else if (at)
		memcpy(at, v->bytes, v->length);
	else if (xdrs->x_op == XDR_DECODE)
		return XDR_GETBYTES(xdrs, v->bytes, v->length);
	else
		return XDR_PUTBYTES(xdrs, v->bytes, v->length);
	return TRUE;
}

static bool_t code_ref(XDR *xdrs, struct value *v)
{
	rpcbuf_bytes_ref ref = {.data = v->bytes, .length = v->length};
	bool_t ok = xdr_rpcbuf_bytes_ref(xdrs, &ref);

	if (xdrs->x_op == XDR_ENCODE || !ok)
		return ok;
	v->length = ref.length;
	if (v->length > BLOB_MAX)
		v->length = BLOB_MAX;
	assert(rpcbuf_bytes_ref_copy(&ref, 0, v->bytes, v->length) ==
	       v->length);
	xdr_free((xdrproc_t)(void *)xdr_rpcbuf_bytes_ref, &ref);
	return TRUE;
}

static bool_t code(XDR *xdrs, struct value *v)
{
	char *bytes = v->bytes;

	switch (v->kind) {
	case INT:
		return xdr_u_int(xdrs, &v->number);
	case HYPER:
		return xdr_hyper(xdrs, &v->hyper);
	case OPAQUE:
		return xdr_bytes(xdrs, &bytes, &v->length, BLOB_MAX);
	case STRING:
		return xdr_string(xdrs, &bytes, BLOB_MAX);
	case REF:
		return code_ref(xdrs, v);
	default:
		return code_inline(xdrs, v);
	}
}

static void compare_encoded(XDR *mem, const uint8_t *expected,
			    const struct rpcbuf_xdr *x)
{
	struct iovec iov[200];
	unsigned int nr = rpcbuf_xdr_iov(x, iov, 200);
	uint32_t len = XDR_GETPOS(mem), at = 0;

	assert(nr <= 200);
	for (unsigned int i = 0; i < nr && at < len; i++) {
		size_t n = iov[i].iov_len;

		if (n > len - at)
			n = len - at;
		assert(!memcmp(expected + at, iov[i].iov_base, n));
		at += (uint32_t)n;
	}
	assert(at == len);
}

static void run(const uint8_t *ops, size_t nr_ops, const uint8_t *body,
		uint32_t len, const struct rpcbuf_message *message)
{
	static uint8_t expected[OPS_MAX * (BLOB_MAX + 8)];
	static void *out_pages[OPS_MAX * 3];
	static uint8_t out[OPS_MAX * 3][RPCBUF_PAGE_SIZE];
	static struct value kept[OPS_MAX];
	struct rpcbuf_xdr x, y;
	XDR mem, xdrs, mem_out, out_xdrs;

	for (unsigned int i = 0; i < OPS_MAX * 3; i++)
		out_pages[i] = out[i];
	xdrmem_create(&mem, (char *)(uintptr_t)body, len, XDR_DECODE);
	xdr_rpcbuf_message_create(&xdrs, &x, message);
	xdrmem_create(&mem_out, (char *)expected, sizeof(expected), XDR_ENCODE);
	xdr_rpcbuf_create(&out_xdrs, &y, out_pages, message->offset,
			  sizeof(out) - RPCBUF_PAGE_SIZE, XDR_ENCODE);
	for (size_t i = 0; i < nr_ops && i < OPS_MAX; i++) {
		u_int to = (u_int)(ops[i] * 97u);

		memset(&a, 0, sizeof(a));
		a.kind = ops[i] % NR_OPS;
		a.length = ops[i] & ~3u;
		b = a;
		if (a.kind == SEEK) {
			bool_t ok = XDR_SETPOS(&mem, to);

			assert(XDR_SETPOS(&xdrs, to) == ok);
			continue;
		}
		bool_t ok = code(&mem, &a);

		assert(code(&xdrs, &b) == ok);
		if (!ok)
			break;
		assert(!memcmp(&a, &b, sizeof(a)));
		assert(XDR_GETPOS(&mem) == XDR_GETPOS(&xdrs));
		kept[i] = a; /* a reference is sent from its place */
		ok = code(&mem_out, &kept[i]);
		assert(code(&out_xdrs, &kept[i]) == ok);
		assert(XDR_GETPOS(&mem_out) == XDR_GETPOS(&out_xdrs));
	}
	compare_encoded(&mem_out, expected, &y);
	XDR_DESTROY(&xdrs);
	XDR_DESTROY(&out_xdrs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rpcbuf_message message = {.pages = pages, .nr_pages = PAGES};
	size_t nr_ops;
	uint8_t cut;

	if (len < 5)
		return 0;
	/* Some pages are adjacent, some are not. */
	for (unsigned int i = 0, at = 0; i < PAGES; i++) {
		pages[i] = arena[at];
		at += 1 + (data[0] >> i % 8 & 1);
	}
	message.offset = (data[1] << 8 | data[2]) % RPCBUF_PAGE_SIZE;
	cut = data[3];
	nr_ops = data[4] % OPS_MAX;
	data += 5;
	len -= 5;
	if (nr_ops > len)
		nr_ops = len;
	message.length = (uint32_t)(len - nr_ops);
	if (message.length > BODY_MAX)
		message.length = BODY_MAX;
	message.wire_length = lay_record(message.offset, cut, data + nr_ops,
					 message.length, &message.fragments);
	run(data, nr_ops, data + nr_ops, message.length, &message);
	return 0;
}
