/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/assert.h>
#include <rpcbuf/os/publish.h>
#include <rpcbuf/os/sized.h>
#include <rpcbuf/publish.h>

#define X(...) +1
_Static_assert(sizeof(struct rpcbuf_stats) ==
		       sizeof(size_t) + sizeof(uint64_t) * (0 RPCBUF_STATS(X)),
	       "a size and the members of the list");
#undef X

static size_t footprint(unsigned int nr_cpus)
{
	size_t length =
		sizeof(struct stats) + nr_cpus * sizeof(struct stats_cpu);

	return (length + RPCBUF_PAGE_SIZE - 1) & RPCBUF_PAGE_MASK;
}

int stats_create(struct rpcbuf *mm)
{
	void *address;
	int err = os_map(&address, footprint(mm->nr_cpus), RPCBUF_PAGE_SIZE);

	if (err)
		return err;
	mm->stats = address;
	mm->stats->nr_cpus = mm->nr_cpus;
	list_init(os_unshared(&mm->stats->pools));
	return 0;
}

void stats_destroy(struct rpcbuf *mm)
{
	if (mm->stats)
		os_unmap(mm->stats, footprint(mm->nr_cpus));
}

void stats_add_pool(struct rpcbuf *mm, struct stats_pool *pool)
{
	list_add_tail(&pool->link, os_guard(&mm->stats->pools));
	os_unguard(&mm->stats->pools);
}

void stats_del_pool(struct rpcbuf *mm, struct stats_pool *pool)
{
	os_guard(&mm->stats->pools);
	list_del(&pool->link);
	os_unguard(&mm->stats->pools);
}

void rpcbuf_stats_pools(struct rpcbuf *mm,
			void (*fn)(void *, const void *, uint64_t),
			void *opaque)
{
	struct stats_pool *pool, *next;
	struct list_head *pools;

	if (os_load(&mm->forked))
		return; /* the lock may be held, and by nobody there */
	pools = os_guard(&mm->stats->pools);
	list_for_each_entry_safe(pool, next, pools, struct stats_pool, link)
		fn(opaque, pool->name, pool->inflight(pool));
	os_unguard(&mm->stats->pools);
}

static uint64_t sum(const struct stats *stats, enum stat_id id)
{
	uint64_t total = 0;
	unsigned int cpu;

	for (cpu = 0; cpu < stats->nr_cpus; cpu++)
		total += os_load(&stats->cpus[cpu].count[id]);
	return total;
}

static void add_pool(void *opaque, const void *pool, uint64_t inflight)
{
	struct rpcbuf_stats *stats = opaque;

	(void)pool;
	stats->pools++;
	stats->inflight_pages += inflight;
}

int rpcbuf_stats_read(struct rpcbuf *mm, struct rpcbuf_stats *given)
{
	struct rpcbuf_stats known = {0}, *stats = &known;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

#define X(name, ...) stats->name = sum(mm->stats, STAT_##name);
	RPCBUF_STATS(X)
#undef X
	rpcbuf_mm_counts(mm, &counts);
	stats->total_pages = counts.pages_total;
	stats->out_pages = counts.pages_out;
	stats->cached_pages = counts.pages_cached;
	stats->kept_pages = counts.pages_reserved;
	stats->refused = counts.refused;
	stats->waiting = wait_pending(mm);
	stats->longest_hold_ns = counts.longest_hold_ns;
	rpcbuf_stats_pools(mm, add_pool, stats);
	return sized_write(given, stats, sizeof(*stats));
}

struct text {
	char *start;
	size_t len, at;
};

static void __attribute__((format(printf, 2, 3)))
append_text(struct text *text, const char *format, ...)
{
	size_t left = text->at < text->len ? text->len - text->at : 0;
	va_list ap;

	va_start(ap, format);
	text->at += (size_t)vsnprintf(left ? text->start + text->at : NULL,
				      left, format, ap);
	va_end(ap);
}

size_t rpcbuf_stats_print(const struct rpcbuf_stats *given, char *start,
			  size_t len)
{
	struct rpcbuf_stats known = {0}, *stats = &known;
	struct text text = {.start = start, .len = len};

	if (sized_read(stats, sizeof(*stats), given))
		return 0;
#define X(name, ...) append_text(&text, #name " %" PRIu64 "\n", stats->name);
	RPCBUF_STATS(X)
#undef X
	return text.at;
}

size_t rpcbuf_stats_json(const struct rpcbuf_stats *given, char *start,
			 size_t len)
{
	struct rpcbuf_stats known = {0}, *stats = &known;
	struct text text = {.start = start, .len = len};
	const char *comma = "{";

	if (sized_read(stats, sizeof(*stats), given))
		return 0;
#define X(name, ...)                                                  \
	append_text(&text, "%s\"" #name "\":%" PRIu64, comma, stats->name); \
	comma = ",";
	RPCBUF_STATS(X)
#undef X
	append_text(&text, "}");
	return text.at;
}

const char *rpcbuf_stats_what(const char *wanted)
{
#define X(name, kind, unit, group, what) \
	if (!strcmp(wanted, #name))      \
		return what;
	RPCBUF_STATS(X)
#undef X
	return NULL;
}

static const struct rpcbuf_figure figures[] = {
#define X(name, kind, unit, group, what) {"mm_" #name, what, RPCBUF_##kind, 0},
	RPCBUF_STATS(X)
#undef X
};

#define X(figure, kind, unit, group, what) PUBLISH_FITS("mm_" #figure, what)
RPCBUF_STATS(X)
#undef X

static void read_instance(void *owner, uint64_t *values)
{
	struct rpcbuf_stats stats = RPCBUF_STATS_INIT;

	rpcbuf_stats_read(owner, &stats);
	memcpy(values, (char *)&stats + sizeof(stats.size),
	       sizeof(stats) - sizeof(stats.size));
}

int rpcbuf_stats_publish(struct rpcbuf *mm, struct rpcbuf_publisher *publisher)
{
	const struct rpcbuf_source source = {
		.size = sizeof(source),
		.owner = mm,
		.figures = figures,
		.nr_figures = sizeof(figures) / sizeof(*figures),
		.read = read_instance,
	};

	return rpcbuf_publisher_add(publisher, &source);
}
