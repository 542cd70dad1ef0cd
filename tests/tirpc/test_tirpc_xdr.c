/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: an XDR stream over pages encodes and decodes, byte for byte, as
 * libtirpc's own streams do, wherever in a page it begins.
 * Method: random sequences of items are encoded with xdrmem, xdrrec and a
 * stream over scattered pages from every offset, and the bytes compared; they
 * are decoded with xdrmem and from pages, and items, results and positions
 * compared, also for input that is cut off, and for records of many fragments.
 */
#include <check.h>

#include "tests/tirpc/tirpc_util.h"

#define PAGES	  8u
#define BYTES	  (3u * RPCBUF_PAGE_SIZE)
#define ITEMS_MAX 64u

enum {
	INT,
	HYPER,
	OPAQUE,
	STRING,
	INLINE,
	NR_KINDS
};

struct item {
	int kind;
	int32_t number;
	int64_t hyper;
	u_int length;
	char bytes[600];
};

static struct rpcbuf *mm;
static void *pages[PAGES];

/* Every other page: no two pages of a stream are adjacent. */
static void setup(void)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	void *all[2 * PAGES] = {NULL};

	options.memory = 4 << 20;
	must(rpcbuf_create(&mm, &options) == 0);
	must(rpcbuf_alloc_bulk_array(mm, 0, 2 * PAGES, all) == 2 * PAGES);
	for (unsigned int i = 0; i < PAGES; i++) {
		pages[i] = all[2 * i];
		rpcbuf_free_page(mm, all[2 * i + 1]);
	}
}

static void teardown(void)
{
	rpcbuf_free_bulk_array(mm, PAGES, pages);
	must(rpcbuf_destroy(mm) == 0);
}

static void random_item(uint64_t *seed, struct item *item)
{
	memset(item, 0, sizeof(*item));
	item->kind = (int)(test_random(seed) % NR_KINDS);
	item->number = (int32_t)test_random(seed);
	item->hyper = (int64_t)test_random(seed);
	item->length = (u_int)(test_random(seed) % sizeof(item->bytes));
	if (item->kind == INLINE)
		item->length = item->length % 64 * 4;
	for (u_int i = 0; i < item->length; i++)
		item->bytes[i] = (char)(test_random(seed) % 255 + 1);
	if (item->kind == STRING)
		item->bytes[item->length ? item->length - 1 : 0] = 0;
}

/* As rpcgen's code does: inline where the stream offers it, else by item. */
static bool_t put_inline(XDR *xdrs, struct item *item)
{
	int32_t *at = XDR_INLINE(xdrs, item->length);

	if (at) {
		memcpy(at, item->bytes, item->length);
		return TRUE;
	}
	return XDR_PUTBYTES(xdrs, item->bytes, item->length);
}

static bool_t get_inline(XDR *xdrs, struct item *item)
{
	int32_t *at = XDR_INLINE(xdrs, item->length);

	if (at) {
		memcpy(item->bytes, at, item->length);
		return TRUE;
	}
	return XDR_GETBYTES(xdrs, item->bytes, item->length);
}

static bool_t code(XDR *xdrs, struct item *item)
{
	char *bytes = item->bytes;

	switch (item->kind) {
	case INT:
		return xdr_int(xdrs, &item->number);
	case HYPER:
		return xdr_hyper(xdrs, (quad_t *)&item->hyper);
	case OPAQUE:
		return xdr_bytes(xdrs, &bytes, &item->length,
				 sizeof(item->bytes));
	case STRING:
		return xdr_string(xdrs, &bytes, sizeof(item->bytes));
	default:
		return xdrs->x_op == XDR_ENCODE ? put_inline(xdrs, item)
						: get_inline(xdrs, item);
	}
}

static unsigned int random_items(uint64_t *seed, struct item *items)
{
	unsigned int nr = (unsigned int)(test_random(seed) % ITEMS_MAX);

	for (unsigned int i = 0; i < nr; i++)
		random_item(seed, &items[i]);
	return nr;
}

static unsigned int encode_all(XDR *xdrs, struct item *items, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr && code(xdrs, &items[i]); i++)
		;
	return i;
}

static uint32_t gather(const struct rpcbuf_xdr *x, uint8_t *to)
{
	struct iovec iov[2 * PAGES + 8];
	unsigned int nr = rpcbuf_xdr_iov(x, iov, WIRE_NR(iov));
	uint32_t len = 0;

	must(nr <= WIRE_NR(iov));
	for (unsigned int i = 0; i < nr; i++) {
		memcpy(to + len, iov[i].iov_base, iov[i].iov_len);
		len += (uint32_t)iov[i].iov_len;
	}
	return len;
}

START_TEST(encodes_as_xdrmem)
{
	static struct item items[ITEMS_MAX];
	static uint8_t expected[BYTES], got[BYTES];
	uint64_t seed = 1;

	for (uint32_t offset = 0; offset < RPCBUF_PAGE_SIZE; offset++) {
		unsigned int nr = random_items(&seed, items);
		uint32_t size = (uint32_t)(test_random(&seed) % BYTES);
		struct rpcbuf_xdr x;
		XDR mem, xdrs;

		xdrmem_create(&mem, (char *)expected, size, XDR_ENCODE);
		xdr_rpcbuf_create(&xdrs, &x, pages, offset, size, XDR_ENCODE);
		for (unsigned int i = 0; i < nr; i++) {
			bool_t ok = code(&mem, &items[i]);

			require(code(&xdrs, &items[i]) == ok);
			if (!ok)
				break;
			require(XDR_GETPOS(&xdrs) == XDR_GETPOS(&mem));
		}
		/* Items that did not fit may differ; items that did must
		 * not. */
		uint32_t len = gather(&x, got);

		require(len <= size && len >= XDR_GETPOS(&mem));
		require(!memcmp(got, expected, XDR_GETPOS(&mem)));
		XDR_DESTROY(&xdrs);
	}
}
END_TEST

struct sink {
	uint8_t bytes[4 * BYTES];
	size_t len;
};

static int sink_write(void *to, void *bytes, int len)
{
	struct sink *sink = to;

	memcpy(sink->bytes + sink->len, bytes, (size_t)len);
	sink->len += (size_t)len;
	return len;
}

/* Without its marks. */
static size_t sink_body(struct sink *sink)
{
	size_t from = 0, to = 0;

	while (from < sink->len) {
		uint32_t mark = get32(sink->bytes + from);
		uint32_t len = mark & ~RPCBUF_MARK_LAST;

		memmove(sink->bytes + to, sink->bytes + from + 4, len);
		to += len;
		from += 4 + len;
	}
	return to;
}

START_TEST(encodes_as_xdrrec)
{
	static struct item items[ITEMS_MAX];
	static struct sink sink;
	static uint8_t got[BYTES];
	uint64_t seed = 2;

	for (uint32_t offset = 0; offset < RPCBUF_PAGE_SIZE; offset += 5) {
		unsigned int nr = random_items(&seed, items) / 3;
		struct rpcbuf_xdr x;
		XDR rec, xdrs;
		size_t len;

		sink.len = 0;
		xdrrec_create(&rec, 0, 0, &sink, NULL, sink_write);
		rec.x_op = XDR_ENCODE;
		must(encode_all(&rec, items, nr) == nr);
		xdrrec_endofrecord(&rec, TRUE);
		xdr_rpcbuf_create(&xdrs, &x, pages, offset,
				  PAGES * RPCBUF_PAGE_SIZE - offset,
				  XDR_ENCODE);
		must(encode_all(&xdrs, items, nr) == nr);
		len = sink_body(&sink);
		require(gather(&x, got) == len);
		require(!memcmp(got, sink.bytes, len));
		XDR_DESTROY(&xdrs);
		XDR_DESTROY(&rec);
	}
}
END_TEST

/* Lays bytes into the pages. */
static void lay(uint32_t offset, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	for (size_t i = 0; i < len; i++, offset++)
		((uint8_t *)
			 pages[offset >>
			       RPCBUF_PAGE_SHIFT])[offset & ~RPCBUF_PAGE_MASK] =
			from[i];
}

/* Decodes the bytes of @items with both, and compares. */
static void compare_decoding(XDR *mem, XDR *xdrs, const struct item *items,
			     unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct item a = {.kind = items[i].kind}, b;
		bool_t ok;

		if (a.kind == INLINE)
			a.length = items[i].length;
		b = a;
		ok = code(mem, &a);
		require(code(xdrs, &b) == ok);
		if (!ok)
			break;
		require(!memcmp(&a, &b, sizeof(a)));
		require(XDR_GETPOS(xdrs) == XDR_GETPOS(mem));
		if (i % 3)
			continue;
		/* Back to where it was, and to the beginning and again. */
		u_int at = XDR_GETPOS(xdrs);
		require(XDR_SETPOS(xdrs, i % 2 ? 0 : at / 2));
		require(XDR_SETPOS(xdrs, at));
		require(XDR_GETPOS(xdrs) == at);
	}
}

START_TEST(decodes_as_xdrmem)
{
	static struct item items[ITEMS_MAX];
	static uint8_t bytes[8 * BYTES];
	uint64_t seed = 3;

	for (uint32_t offset = 0; offset < RPCBUF_PAGE_SIZE; offset++) {
		unsigned int nr = random_items(&seed, items);
		struct rpcbuf_xdr x;
		XDR mem, xdrs;
		uint32_t len;

		xdrmem_create(&mem, (char *)bytes, sizeof(bytes), XDR_ENCODE);
		must(encode_all(&mem, items, nr) == nr);
		len = rpcbuf_min_u32(XDR_GETPOS(&mem), BYTES);
		if (offset % 2) /* cut off anywhere */
			len = (uint32_t)(test_random(&seed) % (len + 1));
		lay(offset, bytes, len);
		xdrmem_create(&mem, (char *)bytes, len, XDR_DECODE);
		xdr_rpcbuf_create(&xdrs, &x, pages, offset, len, XDR_DECODE);
		compare_decoding(&mem, &xdrs, items, nr);
		ck_assert(!XDR_SETPOS(&xdrs, len + 1));
		XDR_DESTROY(&xdrs);
	}
}
END_TEST

START_TEST(decodes_records_of_fragments)
{
	static struct item items[ITEMS_MAX];
	static uint8_t bytes[8 * BYTES], record[8 * BYTES];
	uint64_t seed = 4;

	for (uint32_t offset = 0; offset < RPCBUF_PAGE_SIZE; offset += 3) {
		unsigned int nr = random_items(&seed, items) / 2;
		uint32_t sizes[50], len;
		struct rpcbuf_message message = {.pages = pages};
		struct rpcbuf_xdr x;
		XDR mem, xdrs;

		xdrmem_create(&mem, (char *)bytes, sizeof(bytes), XDR_ENCODE);
		must(encode_all(&mem, items, nr) == nr);
		len = rpcbuf_min_u32(XDR_GETPOS(&mem), BYTES);
		message.fragments = wire_cut(&seed, len, sizes, WIRE_NR(sizes));
		message.wire_length = (uint32_t)wire_record(
			record, bytes, sizes, message.fragments);
		lay(offset, record, message.wire_length);
		message.offset = offset;
		message.length = len;
		message.nr_pages = PAGES;
		xdrmem_create(&mem, (char *)bytes, len, XDR_DECODE);
		xdr_rpcbuf_message_create(&xdrs, &x, &message);
		compare_decoding(&mem, &xdrs, items, nr);
		XDR_DESTROY(&xdrs);
	}
}
END_TEST

/* Inline: in one piece and aligned, and only then. */
START_TEST(inlines_inside_a_page)
{
	struct rpcbuf_xdr x;
	XDR xdrs;

	xdr_rpcbuf_create(&xdrs, &x, pages, 4088, 100, XDR_DECODE);
	ck_assert_ptr_null(XDR_INLINE(&xdrs, 12));
	ck_assert_ptr_eq(XDR_INLINE(&xdrs, 8), (char *)pages[0] + 4088);
	ck_assert_ptr_eq(XDR_INLINE(&xdrs, 92), pages[1]);
	ck_assert_ptr_null(XDR_INLINE(&xdrs, 4));
	xdr_rpcbuf_create(&xdrs, &x, pages, 2, 100, XDR_DECODE);
	ck_assert_ptr_null(XDR_INLINE(&xdrs, 4));
	xdr_rpcbuf_create(&xdrs, &x, pages, 4088, 100, XDR_ENCODE);
	ck_assert_ptr_null(XDR_INLINE(&xdrs, 12));
	ck_assert_ptr_eq(XDR_INLINE(&xdrs, 8), (char *)pages[0] + 4088);
	ck_assert_ptr_eq(XDR_INLINE(&xdrs, 92), pages[1]);
	ck_assert_ptr_null(XDR_INLINE(&xdrs, 4));
	ck_assert_uint_eq(XDR_GETPOS(&xdrs), 100);
	XDR_DESTROY(&xdrs);
}
END_TEST

/* A length is written when its data are complete. */
START_TEST(encodes_over_earlier_bytes)
{
	static uint8_t got[BYTES];
	struct rpcbuf_xdr x;
	XDR xdrs;

	for (uint32_t offset = 4000; offset < 4096; offset++) {
		u_int zero = 0, len;

		xdr_rpcbuf_create(&xdrs, &x, pages, offset, 9000, XDR_ENCODE);
		ck_assert(xdr_u_int(&xdrs, &zero));
		for (uint32_t i = 0; i < 2000; i++)
			require(xdr_u_int(&xdrs, &i));
		len = XDR_GETPOS(&xdrs);
		ck_assert_uint_eq(len, 8004);
		ck_assert(!XDR_SETPOS(&xdrs, len + 1));
		ck_assert(XDR_SETPOS(&xdrs, 0));
		ck_assert(xdr_u_int(&xdrs, &len));
		ck_assert(XDR_SETPOS(&xdrs, 4 + 4 * 1000));
		ck_assert(xdr_u_int(&xdrs, &zero));
		ck_assert(XDR_SETPOS(&xdrs, len));
		ck_assert(xdr_u_int(&xdrs, &zero));
		ck_assert_uint_eq(gather(&x, got), 8008);
		ck_assert_uint_eq(get32(got), 8004);
		for (uint32_t i = 0; i < 2000; i++)
			require(get32(got + 4 + 4 * i) == (i == 1000 ? 0 : i));
		XDR_DESTROY(&xdrs);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("xdr");
	Suite *s = suite_create("tirpc_xdr");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, encodes_as_xdrmem);
	tcase_add_test(tc, encodes_as_xdrrec);
	tcase_add_test(tc, decodes_as_xdrmem);
	tcase_add_test(tc, decodes_records_of_fragments);
	tcase_add_test(tc, inlines_inside_a_page);
	tcase_add_test(tc, encodes_over_earlier_bytes);
	suite_add_tcase(s, tc);
	return wire_run(s);
}
