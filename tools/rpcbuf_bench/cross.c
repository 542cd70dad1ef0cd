/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "cross.h"
#include "spin.h"

bool cross_fill(void *opaque)
{
	struct cross *x = opaque;
	struct work work = {.pool = x->peer->pool[0], .nr = x->nr, .arrays = 1};

	for (unsigned long i = 0; i < x->rounds; i++) {
		/* Pairs with the release store of cross_release(). */
		while (i - __atomic_load_n(&x->released, __ATOMIC_ACQUIRE) ==
		       CROSS_SLOTS)
			spin();
		work.pages = x->pages[i % CROSS_SLOTS];
		if (!x->peer->ops->fill(&work)) {
			__atomic_store_n(&x->failed, true, __ATOMIC_RELEASE);
			return false;
		}
		__atomic_store_n(&x->filled, i + 1, __ATOMIC_RELEASE);
	}
	return true;
}

bool cross_release(void *opaque)
{
	struct cross *x = opaque;
	struct work work = {.pool = x->peer->pool[1], .nr = x->nr, .arrays = 1};

	for (unsigned long i = 0; i < x->rounds; i++) {
		/* Pairs with the release store of cross_fill(). */
		while (__atomic_load_n(&x->filled, __ATOMIC_ACQUIRE) == i) {
			if (__atomic_load_n(&x->failed, __ATOMIC_ACQUIRE))
				return false;
			spin();
		}
		work.pages = x->pages[i % CROSS_SLOTS];
		x->peer->ops->release(&work);
		__atomic_store_n(&x->released, i + 1, __ATOMIC_RELEASE);
	}
	return true;
}
