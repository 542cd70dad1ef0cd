/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Pages that were released while the zone's lock was not to be had, by callers
 * that must not wait for it.
 *
 * `deferred` is a stack without a lock: pushed by anybody, signal handlers
 * among them, and emptied by one exchange under the lock, so a page cannot
 * come and go in between (no ABA).  What was taken off is the backlog, which
 * belongs to the lock and is put ZONE_BATCH pages a hold.
 *
 * A waiter flushes before it sleeps.  A release reads `waiting` after its push,
 * the waiter flushes after it set `waiting`: one of the two sees the other
 * (wait.c).
 */
#include <rpcbuf/mm/zone_private.h>

void zone_defer(struct zone *zone, void *page)
{
	uint32_t index = (uint32_t)arena_index(zone->arena, page);
	uint32_t head = os_load(&zone->deferred);

	do
		os_store(&zone->links[index], head);
	while (!os_cas_seq(&zone->deferred, &head, index + 1));
}

unsigned int zone_settle(struct zone *zone)
{
	void *pages[ZONE_BATCH];
	uint32_t link = os_own(&zone->backlog);
	unsigned int nr = 0;

	if (!link)
		link = os_exchange_acquire(&zone->deferred, 0);
	for (; link && nr < ZONE_BATCH; link = os_load(&zone->links[link - 1]))
		pages[nr++] = arena_page(zone->arena, link - 1);
	os_store(&zone->backlog, link);
	zone_put_locked(zone, pages, nr);
	return nr;
}

uint64_t zone_flush(struct zone *zone)
{
	uint64_t flushed = 0;

	/* Partner: zone_defer(). */
	os_fence();
	while (zone_has_deferred(zone)) {
		os_guard(&zone->lists)->since = os_ticks();
		flushed += zone_settle(zone);
		zone_unlock(zone);
	}
	return flushed;
}
