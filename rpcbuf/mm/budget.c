/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>

#include <rpcbuf/mm/budget.h>
#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/kick.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/sized.h>
#include <rpcbuf/os/stat.h>

/* How many pages are to be withheld. */
static uint64_t target(const struct rpcbuf *mm)
{
	return mm->arena.nr_pages - os_load(&mm->budget.pages);
}

/* The zone with the most free pages; @give: with the fewest. */
static struct zone *pick(struct rpcbuf *mm, bool give)
{
	struct zone *best = &mm->nodes[0].zone, *zone;
	unsigned int node;

	for (node = 1; node < mm->nr_nodes; node++) {
		zone = &mm->nodes[node].zone;
		if (give ? zone_nr_free(zone) < zone_nr_free(best)
			 : zone_nr_free(zone) > zone_nr_free(best))
			best = zone;
	}
	return best;
}

/* Adds adjacent free pages to the balloon, and discards their memory.  0, or
 * -errno: they are in `resident`. */
static int add_to_balloon(struct rpcbuf *mm, char *first, unsigned int nr)
{
	struct mm_balloon *balloon = os_guarded(&mm->budget.balloon);
	int err = mm_discard(mm, first, nr * RPCBUF_PAGE_SIZE);
	unsigned int i;

	for (i = 0; i < nr; i++)
		rpcbuf_page_list_add(mm,
				     err ? &balloon->resident : &balloon->pages,
				     first + i * RPCBUF_PAGE_SIZE);
	os_store(&mm->budget.nr_resident, balloon->resident.nr);
	return err;
}

/* Discards the memory of resident pages, up to one that keeps it still. */
static void discard_resident(struct rpcbuf *mm)
{
	struct rpcbuf_page_list *resident =
		&os_guarded(&mm->budget.balloon)->resident;
	unsigned int most = ZONE_BLOCK_PAGES;

	while (resident->nr && most-- &&
	       !add_to_balloon(mm, rpcbuf_page_list_pop(mm, resident), 1))
		;
}

/* Adds up to ZONE_BLOCK_PAGES free pages of a zone to the balloon. */
static unsigned int inflate(struct rpcbuf *mm, struct zone *zone, uint64_t want)
{
	void *pages[ZONE_BATCH];
	unsigned int i, nr;
	char *first = NULL;

	if (want >= ZONE_BLOCK_PAGES)
		first = zone_take_run_above(zone, ZONE_BLOCK_PAGES, 0);
	if (first) {
		add_to_balloon(mm, first, ZONE_BLOCK_PAGES);
		return ZONE_BLOCK_PAGES;
	}
	nr = zone_take(zone, pages,
		       (unsigned int)rpcbuf_min(want, (uint64_t)ZONE_BATCH),
		       false);
	for (i = 0; i < nr; i++)
		add_to_balloon(mm, pages[i], 1);
	return nr;
}

/* How many pages one node gives, or gets, before the next. */
static uint64_t pages_per_node(const struct rpcbuf *mm, uint64_t want)
{
	return rpcbuf_max(want / mm->nr_nodes / 4, (uint64_t)ZONE_BLOCK_PAGES);
}

static uint64_t withhold_some(struct rpcbuf *mm, uint64_t want)
{
	uint64_t share = rpcbuf_min(want, pages_per_node(mm, want));
	struct zone *zone = pick(mm, false);
	uint64_t got = zone_withhold(zone, share);
	unsigned int node;

	if (!got)
		got = inflate(mm, zone, share);
	for (node = 0; !got && node < mm->nr_nodes; node++)
		got = zone_withhold(&mm->nodes[node].zone, want);
	return got;
}

/* While pages are still to be withheld, the watermarks are above what the zone
 * has. */
static void set_watermarks(struct rpcbuf *mm, bool enough)
{
	unsigned int node;

	for (node = 0; node < mm->nr_nodes; node++) {
		struct zone *zone = &mm->nodes[node].zone;
		uint64_t share = os_load(&mm->budget.pages) / mm->nr_nodes;

		node_watermarks(zone, share, enough ? 0 : zone->nr_pages);
	}
}

static bool settle_locked(struct rpcbuf *mm)
{
	struct mm_budget *budget = &mm->budget;
	uint64_t want, got;

	while (os_own(&budget->withheld) < target(mm)) {
		want = target(mm) - os_own(&budget->withheld);
		got = withhold_some(mm, want);
		if (!got)
			return false;
		stat_add(budget->withheld, got);
	}
	return true;
}

/* Takes pages that still have memory first. */
static void *take_from_balloon(struct rpcbuf *mm)
{
	struct mm_balloon *balloon = os_guarded(&mm->budget.balloon);
	void *page = rpcbuf_page_list_pop(mm, &balloon->resident);

	os_store(&mm->budget.nr_resident, balloon->resident.nr);
	return page ? page : rpcbuf_page_list_pop(mm, &balloon->pages);
}

static void deflate(struct rpcbuf *mm, uint64_t nr)
{
	void *pages[ZONE_BATCH];
	unsigned int n;

	do {
		for (n = 0; n < ZONE_BATCH && n < nr; n++) {
			pages[n] = take_from_balloon(mm);
			if (!pages[n])
				break;
		}
		stat_add(mm->budget.withheld, -(uint64_t)n);
		nr -= n;
		if (n)
			mm_give(mm, pages, n);
	} while (n == ZONE_BATCH);
}

/* Whole blocks: the last of them may be more than the budget asked for, which
 * settle_locked() takes back. */
static void grow_locked(struct rpcbuf *mm)
{
	struct mm_budget *budget = &mm->budget;
	uint64_t want, got;

	if (os_own(&budget->withheld) > target(mm))
		deflate(mm, os_own(&budget->withheld) - target(mm));
	while (os_own(&budget->withheld) > target(mm)) {
		unsigned int node;

		want = pages_per_node(mm,
				      os_own(&budget->withheld) - target(mm));
		got = zone_unwithhold(pick(mm, true), want);
		for (node = 0; !got && node < mm->nr_nodes; node++)
			got = zone_unwithhold(&mm->nodes[node].zone, want);
		if (!got)
			break;
		stat_add(budget->withheld, -got);
	}
}

void budget_init(struct rpcbuf *mm, uint64_t pages)
{
	os_guard(&mm->budget.balloon);
	os_store(&mm->budget.pages, pages);
	settle_locked(mm);
	set_watermarks(mm, true);
	os_unguard(&mm->budget.balloon);
}

/* What callers can have of a budget of @pages: a red zone takes another page. */
static uint64_t usable(const struct rpcbuf *mm, uint64_t pages)
{
	pages -= mm->nr_nodes * node_kept_back(pages / mm->nr_nodes);
	return os_load(&mm->guard) & RPCBUF_HARDEN_REDZONE ? pages / 2 : pages;
}

/* With the lock held: that many are not promised. */
static bool has_beside_promises(const struct rpcbuf *mm, uint64_t nr)
{
	return os_load(&mm->budget.promised) + nr <=
	       usable(mm, os_own(&mm->budget.pages));
}

bool budget_suffices(struct rpcbuf *mm, uint64_t nr)
{
	bool suffices;

	os_guard(&mm->budget.balloon);
	suffices = has_beside_promises(mm, nr);
	os_unguard(&mm->budget.balloon);
	return suffices;
}

int budget_promise(struct rpcbuf *mm, uint64_t nr)
{
	int err = 0;

	os_guard(&mm->budget.balloon);
	if (has_beside_promises(mm, nr))
		os_fetch_add(&mm->budget.promised, nr);
	else
		err = -ENOMEM;
	os_unguard(&mm->budget.balloon);
	/* The head may wait for pages that are promised now: it is woken to
	 * ask budget_suffices() again. */
	if (!err && wait_pending(mm))
		wait_wake(mm);
	return err;
}

void budget_unpromise(struct rpcbuf *mm, uint64_t nr)
{
	os_fetch_add(&mm->budget.promised, -nr);
}

bool budget_settle(struct rpcbuf *mm)
{
	bool enough = true;

	if (os_load(&mm->budget.nr_resident)) {
		os_guard(&mm->budget.balloon);
		discard_resident(mm);
		os_unguard(&mm->budget.balloon);
	}
	if (os_load(&mm->budget.withheld) >= target(mm))
		return true;
	node_flush(mm);
	pcp_drain_all(mm);
	os_guard(&mm->budget.balloon);
	enough = settle_locked(mm);
	if (enough)
		set_watermarks(mm, true);
	os_unguard(&mm->budget.balloon);
	if (enough && wait_pending(mm))
		wait_wake(mm);
	return enough;
}

int rpcbuf_budget_set(struct rpcbuf *mm, uint64_t memory)
{
	uint64_t pages = memory >> RPCBUF_PAGE_SHIFT;
	bool enough;

	if (fork_is_child(mm))
		return -EPERM;
	if (memory < RPCBUF_MEMORY_MIN || pages > mm->arena.nr_pages)
		return -EINVAL;
	os_guard(&mm->budget.balloon);
	if (os_load(&mm->budget.promised) > usable(mm, pages)) {
		os_unguard(&mm->budget.balloon);
		return -EBUSY;
	}
	os_store(&mm->budget.pages, pages);
	grow_locked(mm);
	enough = settle_locked(mm);
	set_watermarks(mm, enough);
	os_unguard(&mm->budget.balloon);
	pcp_limits(mm, pages);
	if (!enough) {
		budget_settle(mm);
		kick(mm);
	}
	if (wait_pending(mm))
		wait_wake(mm);
	return 0;
}

int rpcbuf_budget_get(struct rpcbuf *mm, struct rpcbuf_budget *budget)
{
	uint64_t wanted = target(mm), withheld = os_load(&mm->budget.withheld);
	const struct rpcbuf_budget known = {
		.memory = os_load(&mm->budget.pages) << RPCBUF_PAGE_SHIFT,
		.memory_max = mm->arena.nr_pages << RPCBUF_PAGE_SHIFT,
		.excess = withheld < wanted
				  ? (wanted - withheld) << RPCBUF_PAGE_SHIFT
				  : 0,
	};

	return sized_write(budget, &known, sizeof(known));
}
