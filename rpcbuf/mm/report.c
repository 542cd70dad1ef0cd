/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/report.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/probes.h>
#include <rpcbuf/os/sized.h>
#include <rpcbuf/os/ticks.h>

_Static_assert(RPCBUF_REPORT_SIZE == ZONE_BLOCK_PAGES * RPCBUF_PAGE_SIZE,
	       "a block of the zone is what is reported");

/* No more than a sixteenth of a small zone at a time. */
static unsigned int batch_size(const struct zone *zone)
{
	uint32_t share = rpcbuf_max(zone->max_blocks / 16, 1u);

	return rpcbuf_min(share, RPCBUF_REPORT_MAX);
}

uint64_t report_moment(const struct rpcbuf *mm, uint64_t age_ns)
{
	uint64_t ticks = os_ticks() - mm->made_ticks;
	uint64_t ns = os_now() - mm->made_ns + 1;

	return os_ticks() -
	       (uint64_t)((double)age_ns * ((double)ticks / (double)ns));
}

/* As the kernel does: a batch is begun with low + batch pages free, so that
 * low are left while it is away. */
static unsigned int isolate(struct rpcbuf *mm, unsigned int node,
			    uint64_t before, void **blocks)
{
	struct zone *zone = &mm->nodes[node].zone;
	unsigned int most = batch_size(zone), nr;
	uint64_t low = os_load(&zone->low);

	if (!zone_has_whole(zone) ||
	    zone_nr_free(zone) < low + (uint64_t)most * ZONE_BLOCK_PAGES)
		return 0;
	for (nr = 0; nr < most; nr++) {
		os_fetch_add(&mm->report.isolated, ZONE_BLOCK_PAGES);
		blocks[nr] = zone_isolate(zone, before, low);
		if (!blocks[nr]) {
			os_fetch_add(&mm->report.isolated,
				     -(uint64_t)ZONE_BLOCK_PAGES);
			break;
		}
	}
	return nr;
}

/* @seen: what the consumers left of @blocks. */
static void consult(struct rpcbuf *mm, void **seen, unsigned int nr)
{
	struct hook_list *list = &mm->report.consumers;
	struct rpcbuf_hook *hook = NULL;
	unsigned int i, left;

	while ((hook = hook_next(list, hook))) {
		struct rpcbuf_reporter *reporter = rpcbuf_container_of(
			hook, struct rpcbuf_reporter, hook);

		for (i = 0, left = 0; i < nr; i++)
			if (seen[i])
				seen[left++] = seen[i];
		for (i = left; i < nr; i++)
			seen[i] = NULL;
		if (!left) {
			hook_done(list, hook);
			break;
		}
		reporter->report(reporter, seen, left);
	}
}

int mm_discard(const struct rpcbuf *mm, void *first, size_t length)
{
	return os_discard(first, length, mm->window_fd >= 0);
}

/* Gives back what is left in @seen; NULL afterwards for what was not. */
static unsigned int discard_blocks(struct rpcbuf *mm, unsigned int node,
				   void **seen, unsigned int nr)
{
	struct mm_report *stats = &mm->report;
	unsigned int i, given = 0;

	for (i = 0; i < nr; i++) {
		if (seen[i] && mm_discard(mm, seen[i], RPCBUF_REPORT_SIZE))
			seen[i] = NULL;
		given += seen[i] != NULL;
	}
	probe_report(mm, node, nr, given * RPCBUF_REPORT_SIZE);
	os_fetch_add(&stats->batches, 1);
	os_fetch_add(&stats->bytes, given * RPCBUF_REPORT_SIZE);
	stats_add(mm, STAT_reported_bytes, given * RPCBUF_REPORT_SIZE);
	os_fetch_add(&stats->kept, (nr - given) * RPCBUF_REPORT_SIZE);
	return given;
}

static bool is_among(void *const *blocks, unsigned int nr, const void *block)
{
	unsigned int i;

	for (i = 0; i < nr && blocks[i] != block; i++)
		;
	return i < nr;
}

/* @given: those that lost their memory. */
static void put_back(struct rpcbuf *mm, unsigned int node, void *const *blocks,
		     void *const *given, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		zone_put_isolated(&mm->nodes[node].zone, blocks[i],
				  is_among(given, nr, blocks[i]));
		os_fetch_add(&mm->report.isolated, -(uint64_t)ZONE_BLOCK_PAGES);
	}
	if (nr && wait_pending(mm))
		wait_wake(mm);
}

unsigned int report_batch(struct rpcbuf *mm, unsigned int node, uint64_t before,
			  uint64_t *given)
{
	void *blocks[RPCBUF_REPORT_MAX], *seen[RPCBUF_REPORT_MAX];
	bool alone = hook_list_empty(&mm->report.consumers);
	unsigned int nr, i;

	if (alone)
		os_lock(&mm->report.giving);
	nr = isolate(mm, node, before, blocks);
	for (i = 0; i < nr; i++)
		seen[i] = blocks[i];
	if (nr && !alone)
		consult(mm, seen, nr);
	if (nr)
		*given += discard_blocks(mm, node, seen, nr);
	put_back(mm, node, blocks, seen, nr);
	if (alone)
		os_unlock(&mm->report.giving);
	return nr;
}

/* The pages of a block that a bit is set for; returns how many were given. */
static unsigned int give_stretches(const struct rpcbuf *mm, char *first,
				   const uint64_t pages[ZONE_BLOCK_WORDS])
{
	unsigned int at = 0, len, given = 0;

	while ((at = zone_next_set(pages, at)) < ZONE_BLOCK_PAGES) {
		len = zone_next_clear(pages, at) - at;
		if (!mm_discard(mm, first + at * RPCBUF_PAGE_SIZE,
				len * RPCBUF_PAGE_SIZE))
			given += len;
		at += len;
	}
	return given;
}

static uint64_t count_mixed(struct rpcbuf *mm, unsigned int node,
			    unsigned int nr, unsigned int nr_given)
{
	struct mm_report *stats = &mm->report;
	uint64_t given = nr_given * RPCBUF_PAGE_SIZE;

	probe_report(mm, node, 1, given);
	os_fetch_add(&stats->batches, 1);
	os_fetch_add(&stats->bytes, given);
	stats_add(mm, STAT_reported_bytes, given);
	os_fetch_add(&stats->kept, nr * RPCBUF_PAGE_SIZE - given);
	return given;
}

bool report_mixed(struct rpcbuf *mm, unsigned int node, uint32_t *number,
		  uint64_t *given)
{
	struct zone *zone = &mm->nodes[node].zone;
	uint64_t pages[ZONE_BLOCK_WORDS];
	unsigned int nr = 0, nr_given;

	os_lock(&mm->report.giving);
	os_fetch_add(&mm->report.isolated, ZONE_BLOCK_PAGES);
	if (hook_list_empty(&mm->report.consumers))
		nr = zone_isolate_mixed(zone, number, pages,
					os_load(&zone->low));
	if (nr) {
		nr_given = give_stretches(mm, zone_block_page(zone, *number),
					  pages);
		*given += count_mixed(mm, node, nr, nr_given);
		zone_put_mixed(zone, (*number)++, pages);
	}
	os_fetch_add(&mm->report.isolated, -(uint64_t)ZONE_BLOCK_PAGES);
	if (nr && wait_pending(mm))
		wait_wake(mm);
	os_unlock(&mm->report.giving);
	return nr != 0;
}

void report_settle(struct rpcbuf *mm)
{
	if (!os_load(&mm->report.isolated))
		return;
	os_lock(&mm->report.giving);
	os_unlock(&mm->report.giving);
}

bool report_pending(struct rpcbuf *mm)
{
	unsigned int node;

	for (node = 0; node < mm->nr_nodes; node++)
		if (zone_has_whole(&mm->nodes[node].zone))
			return true;
	return false;
}

int rpcbuf_report_register(struct rpcbuf *mm, struct rpcbuf_reporter *reporter)
{
	int err;

	if (fork_is_child(mm))
		return -EPERM;
	if (!reporter->report)
		return -EINVAL;
	err = hook_add(&mm->report.consumers, &reporter->hook);
	/* A batch that began without it is over on return. */
	os_lock(&mm->report.giving);
	os_unlock(&mm->report.giving);
	return err;
}

int rpcbuf_report_unregister(struct rpcbuf *mm,
			     struct rpcbuf_reporter *reporter)
{
	if (fork_is_child(mm))
		return -EPERM;
	return hook_del(&mm->report.consumers, &reporter->hook);
}

int rpcbuf_report_stats(struct rpcbuf *mm, struct rpcbuf_report_stats *stats)
{
	const struct rpcbuf_report_stats known = {
		.batches = os_load(&mm->report.batches),
		.bytes = os_load(&mm->report.bytes),
		.kept = os_load(&mm->report.kept),
	};

	return sized_write(stats, &known, sizeof(known));
}
