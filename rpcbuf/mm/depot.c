/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <string.h>

#include <rpcbuf/mm/depot.h>
#include <rpcbuf/mm/slots.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/assert.h>

void depot_init(struct depot *depot, uint64_t nr_pages, unsigned int each)
{
	uint64_t most = each == RUN_PAGES ? DEPOT_RUNS : DEPOT_ENTRIES;

	depot->each = each;
	depot->most = (uint32_t)rpcbuf_min(nr_pages / 8 / RUN_PAGES, most);
}

#define DEPOT_SPINS 200 /* about as long as others hold it */

static bool trylock(struct depot *depot)
{
	unsigned int spin;

	for (spin = 0; spin < DEPOT_SPINS; spin++) {
		if (os_cpulock_try_atomic(&depot->lock))
			return true;
		os_relax();
	}
	return false;
}

void depot_freeze(struct depot *depot)
{
	os_cpulock_close(&depot->lock, false);
	os_cpulock_wait(&depot->lock, false);
}

void depot_thaw(struct depot *depot)
{
	os_cpulock_open(&depot->lock, false);
}

unsigned int depot_take_frozen(struct depot *depot, void **entries,
			       unsigned int want)
{
	struct depot_stack *stack = depot_stack(depot);
	unsigned int nr = os_own(&depot->nr), n = rpcbuf_min(want, nr);
	unsigned int left = nr - n;

	memcpy(entries, stack->entries + left, n * sizeof(*entries));
	os_store(&depot->nr, left);
	stack->least = rpcbuf_min(stack->least, left);
	return n;
}

static unsigned int take_locked(struct depot *depot, void **entries,
				unsigned int want)
{
	unsigned int n = depot_take_frozen(depot, entries, want);

	rpcbuf_assert(want <= DEPOT_BATCH);
	os_cpulock_release(&depot->lock);
	return n;
}

unsigned int depot_take(struct depot *depot, void **entries, unsigned int want)
{
	if (!depot_nr(depot) || !trylock(depot))
		return 0;
	return take_locked(depot, entries, want);
}

unsigned int depot_try_take(struct depot *depot, void **entries,
			    unsigned int want)
{
	if (!depot_nr(depot) || !os_cpulock_try_atomic(&depot->lock))
		return 0;
	return take_locked(depot, entries, want);
}

unsigned int depot_put(struct rpcbuf *mm, struct depot *depot,
		       void *const *entries, unsigned int nr)
{
	unsigned int n, had;

	rpcbuf_assert(nr <= DEPOT_BATCH);
	if (!nr || depot_nr(depot) == depot->most || !trylock(depot))
		return 0;
	had = os_own(&depot->nr);
	n = wait_pending(mm) ? 0 : rpcbuf_min(nr, depot->most - had);
	memcpy(depot_stack(depot)->entries + had, entries,
	       n * sizeof(*entries));
	os_store(&depot->nr, had + n);
	os_cpulock_release(&depot->lock);
	return n;
}

unsigned int depot_decay(struct depot *depot, void **entries)
{
	struct depot_stack *stack;
	unsigned int n, left;

	depot_freeze(depot);
	stack = depot_stack(depot);
	n = rpcbuf_min(stack->least, DEPOT_BATCH);
	left = os_own(&depot->nr) - n;
	memcpy(entries, stack->entries, n * sizeof(*entries));
	memmove(stack->entries, stack->entries + n, left * sizeof(*entries));
	os_store(&depot->nr, left);
	stack->least = n < DEPOT_BATCH ? left : stack->least - n;
	depot_thaw(depot);
	return n;
}
