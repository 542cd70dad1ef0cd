/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: each struct that begins with `size` may be shorter or longer than the
 * library's own: a program of an older or a newer release passes it.
 * Method: a table of the functions that take such a struct.  For inputs: one that
 * lacks its last member, with bytes behind it that must not be read; longer ones
 * whose unknown bytes are zero, and not.  For outputs: memory filled with a
 * pattern, of which only the caller's size may change.
 */
#include <errno.h>
#include <sys/socket.h>

#include "mm_util.h"
#include "until_util.h"
#include <rpcbuf/acceptor.h>
#include <rpcbuf/budget.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/fault.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/os/sized.h>
#include <rpcbuf/page_pool.h>
#include <rpcbuf/publish.h>
#include <rpcbuf/report.h>
#include <rpcbuf/rqst.h>
#include <rpcbuf/segment.h>
#include <rpcbuf/stats.h>

#define NEWER	24u /* bytes that a newer struct has more */
#define LAST	8u  /* bytes of a last member */
#define PATTERN 0xa5

static struct rpcbuf *mm;
static struct rpcbuf_engine *engine;
static struct rpcbuf_mempool *mempool;
static struct rpcbuf_page_pool *page_pool;
static struct rpcbuf_publisher *publisher;
static struct rpcbuf_rqst *rqst;
static struct rpcbuf_segment *segment;
static char folder[] = "/tmp/rpcbuf-sized.XXXXXX";

static void on_call(struct rpcbuf_call *call)
{
	rpcbuf_call_done(call);
}

static void on_closed(void *data, enum rpcbuf_close_reason reason)
{
	(void)data;
	(void)reason;
}

static void on_accepted(void *listener, int fd,
			const struct sockaddr_storage *peer, socklen_t len)
{
	(void)listener;
	(void)fd;
	(void)peer;
	(void)len;
}

static void read_nothing(void *owner, uint64_t *values)
{
	(void)owner;
	values[0] = 0;
}

static const struct rpcbuf_handlers handlers = {
	.size = sizeof(handlers),
	.call = on_call,
	.closed = on_closed,
};

static const struct rpcbuf_acceptor_handlers acceptor_handlers = {
	.size = sizeof(acceptor_handlers),
	.accepted = on_accepted,
};

static const struct rpcbuf_figure figure = {"sized", "no figure", RPCBUF_GAUGE,
					    0};

static const struct rpcbuf_source source = {
	.size = sizeof(source),
	.owner = &mm,
	.figures = &figure,
	.nr_figures = 1,
	.read = read_nothing,
};

static const struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
static const struct rpcbuf_engine_options engine_options =
	RPCBUF_ENGINE_OPTIONS_INIT;
static const struct rpcbuf_page_pool_options page_pool_options =
	RPCBUF_PAGE_POOL_OPTIONS_INIT;
static const struct rpcbuf_fault fault = RPCBUF_FAULT_INIT;
static struct rpcbuf_publisher_options publisher_options =
	RPCBUF_PUBLISHER_OPTIONS_INIT;

static int give_options(const void *given)
{
	struct rpcbuf *made;
	int err = rpcbuf_create(&made, given);

	if (!err)
		must(rpcbuf_destroy(made) == 0);
	return err;
}

static int make_engine(const struct rpcbuf_handlers *h,
		       const struct rpcbuf_engine_options *o)
{
	struct rpcbuf_engine *made;
	int err = rpcbuf_engine_create(&made, mm, h, o);

	if (!err) {
		must(rpcbuf_engine_stop(made, 10000) == 0);
		rpcbuf_engine_destroy(made);
	}
	return err;
}

static int give_engine_options(const void *given)
{
	return make_engine(&handlers, given);
}

static int give_handlers(const void *given)
{
	return make_engine(given, &engine_options);
}

static int give_acceptor_handlers(const void *given)
{
	struct rpcbuf_acceptor *made;
	int err = rpcbuf_acceptor_create(&made, given, 0, 0);

	if (!err)
		rpcbuf_acceptor_destroy(made);
	return err;
}

static int give_page_pool_options(const void *given)
{
	struct rpcbuf_page_pool *made;
	int err = rpcbuf_page_pool_create(&made, mm, given);

	if (!err)
		must(rpcbuf_page_pool_destroy(made, 0) == 0);
	return err;
}

static int give_fault(const void *given)
{
	int err = rpcbuf_fault_set(mm, given);

	must(rpcbuf_fault_set(mm, NULL) == 0);
	return err;
}

static int give_publisher_options(const void *given)
{
	struct rpcbuf_publisher *made;
	int err = rpcbuf_publisher_create(&made, given);

	if (!err)
		rpcbuf_publisher_destroy(made);
	return err;
}

static int give_source(const void *given)
{
	int err = rpcbuf_publisher_add(publisher, given);

	if (!err)
		rpcbuf_publisher_remove(publisher, &mm);
	return err;
}

static const struct rpcbuf_stats stats = {.size = sizeof(stats), .refills = 7};

/* Nothing is printed where the struct cannot be read; the last member is 0, also
 * where the caller does not have it. */
static int give_stats(const void *given)
{
	static char text[8192], json[8192];
	size_t len = rpcbuf_stats_print(given, text, sizeof(text));

	if (!len)
		return rpcbuf_stats_json(given, json, sizeof(json)) ? -EIO
								    : -EINVAL;
	rpcbuf_stats_json(given, json, sizeof(json));
	return strstr(text, "refills 7\n") &&
			       strcmp(text + len - 3, " 0\n") == 0 &&
			       strstr(json, "\"refills\":7") &&
			       strstr(json, ":0}")
		       ? 0
		       : -EIO;
}

static const struct input {
	const char *name;
	const void *known;
	size_t size;
	int (*give)(const void *given);
} inputs[] = {
#define INPUT(name)                                     \
	{                                               \
#name, &name, sizeof(name), give_##name \
	}
	INPUT(options),
	INPUT(engine_options),
	INPUT(handlers),
	INPUT(acceptor_handlers),
	INPUT(page_pool_options),
	INPUT(fault),
	INPUT(publisher_options),
	INPUT(source),
	INPUT(stats),
};

static int take_mm_counts(void *to)
{
	return rpcbuf_mm_counts(mm, to);
}

static int take_budget(void *to)
{
	return rpcbuf_budget_get(mm, to);
}

static int take_stats(void *to)
{
	return rpcbuf_stats_read(mm, to);
}

static int take_report_stats(void *to)
{
	return rpcbuf_report_stats(mm, to);
}

static int take_mempool_stats(void *to)
{
	return rpcbuf_mempool_stats(mempool, to);
}

static int take_page_pool_stats(void *to)
{
	return rpcbuf_page_pool_stats(page_pool, to);
}

static int take_rqst_stats(void *to)
{
	return rpcbuf_rqst_stats(rqst, to);
}

static int take_engine_stats(void *to)
{
	return rpcbuf_engine_stats(engine, to);
}

static int take_snapshot(void *to)
{
	return rpcbuf_segment_read(segment, to);
}

static int take_fault(void *to)
{
	const char *wrong;

	return rpcbuf_fault_parse("nth=1", to, &wrong);
}

static const struct output {
	const char *name;
	size_t size;
	int (*take)(void *to);
} outputs[] = {
#define OUTPUT(name)                                             \
	{                                                        \
#name, sizeof(struct rpcbuf_##name), take_##name \
	}
	OUTPUT(mm_counts),    OUTPUT(budget),	     OUTPUT(stats),
	OUTPUT(report_stats), OUTPUT(mempool_stats), OUTPUT(page_pool_stats),
	OUTPUT(rqst_stats),   OUTPUT(engine_stats),  OUTPUT(snapshot),
	OUTPUT(fault),
};

static void set_size(void *bytes, size_t size)
{
	memcpy(bytes, &size, sizeof(size));
}

START_TEST(input)
{
	const struct input *in = &inputs[_i];
	unsigned char *bytes = calloc(1, in->size + NEWER);

	ck_assert_int_eq(in->give(in->known), 0);
	memcpy(bytes, in->known, in->size);
	set_size(bytes, in->size - LAST);
	memset(bytes + in->size - LAST, PATTERN, LAST);
	ck_assert_msg(in->give(bytes) == 0, "%s: older", in->name);

	memcpy(bytes, in->known, in->size);
	set_size(bytes, in->size + NEWER);
	ck_assert_msg(in->give(bytes) == 0, "%s: newer", in->name);
	bytes[in->size + NEWER - 1] = 1;
	/* Those that print say no more than that they cannot. */
	ck_assert_msg(in->give(bytes) ==
			      (in->give == give_stats ? -EINVAL : -E2BIG),
		      "%s: unknown member", in->name);
	set_size(bytes, 0);
	ck_assert_msg(in->give(bytes) == -EINVAL, "%s: no size", in->name);
	free(bytes);
}
END_TEST

/* The first byte from @at to @end that is not @value, or @end. */
static size_t differs(const unsigned char *bytes, size_t at, size_t end,
		      unsigned char value)
{
	while (at < end && bytes[at] == value)
		at++;
	return at;
}

static void check_untouched(const struct output *out, unsigned char *bytes,
			    size_t size, int expected)
{
	const size_t all = out->size + 2 * NEWER;

	memset(bytes, PATTERN, all);
	set_size(bytes, size);
	ck_assert_msg(out->take(bytes) == expected, "%s: size %zu", out->name,
		      size);
	ck_assert_uint_eq(differs(bytes, sizeof(size_t), all, PATTERN), all);
}

START_TEST(output)
{
	const struct output *out = &outputs[_i];
	const size_t all = out->size + 2 * NEWER;
	unsigned char *bytes = malloc(all);
	size_t size = out->size - LAST;

	memset(bytes, PATTERN, all);
	set_size(bytes, size);
	ck_assert_msg(out->take(bytes) == 0, "%s: older", out->name);
	ck_assert_uint_eq(*(size_t *)bytes, size);
	ck_assert_uint_eq(differs(bytes, size, all, PATTERN), all);
	ck_assert_uint_eq(differs(bytes, sizeof(size_t), size, PATTERN),
			  sizeof(size_t));

	memset(bytes, PATTERN, all);
	size = out->size + NEWER;
	set_size(bytes, size);
	ck_assert_msg(out->take(bytes) == 0, "%s: newer", out->name);
	ck_assert_uint_eq(*(size_t *)bytes, size);
	ck_assert_uint_eq(differs(bytes, out->size, size, 0), size);
	ck_assert_uint_eq(differs(bytes, size, all, PATTERN), all);

	check_untouched(out, bytes, 0, -EINVAL);
	check_untouched(out, bytes, out->size + SIZED_MORE + 1, -E2BIG);
	free(bytes);
}
END_TEST

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	publisher_options.folder = folder;
	mm = test_create(65536);
	ck_assert_int_eq(rpcbuf_mempool_create(&mempool, mm, 4), 0);
	ck_assert_int_eq(
		rpcbuf_page_pool_create(&page_pool, mm, &page_pool_options), 0);
	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, NULL, 4), 0);
	ck_assert_int_eq(
		rpcbuf_engine_create(&engine, mm, &handlers, &engine_options),
		0);
	publisher_options.name = "other";
	ck_assert_int_eq(
		rpcbuf_publisher_create(&publisher, &publisher_options), 0);
	publisher_options.name = NULL;
	ck_assert_int_eq(rpcbuf_segment_attach(
				 &segment, rpcbuf_publisher_path(publisher)),
			 0);
	ck_assert_int_eq(rpcbuf_segment_refresh(segment, 60000), 0);
}

static void teardown(void)
{
	rpcbuf_segment_detach(segment);
	rpcbuf_publisher_destroy(publisher);
	ck_assert_int_eq(rpcbuf_engine_stop(engine, 60000), 0);
	rpcbuf_engine_destroy(engine);
	rpcbuf_rqst_destroy(rqst);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(page_pool, 0), 0);
	ck_assert_int_eq(rpcbuf_mempool_destroy(mempool), 0);
	test_destroy(mm);
	rmdir(folder);
	strcpy(strrchr(folder, '.'), ".XXXXXX");
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("sized");
	TCase *tc = tcase_create("sized");

	(void)argc;
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, input, 0, sizeof(inputs) / sizeof(*inputs));
	tcase_add_loop_test(tc, output, 0, sizeof(outputs) / sizeof(*outputs));
	suite_add_tcase(suite, tc);
	return test_main(suite, argv);
}
