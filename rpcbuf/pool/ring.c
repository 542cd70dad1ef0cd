/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/bits.h>
#include <rpcbuf/pool/ring.h>

int ring_init(struct ring *ring, uint32_t size)
{
	ring->slots = calloc(size, sizeof(*ring->slots));
	if (!ring->slots)
		return -ENOMEM;
	ring->size = size;
	os_store(&ring->head, 0);
	os_store(&ring->tail, 0);
	return 0;
}

void ring_free(struct ring *ring)
{
	free(ring->slots);
}

static struct ring_slot *slot(const struct ring *ring, uint64_t position)
{
	return &ring->slots[position & (ring->size - 1)];
}

unsigned int ring_push(struct ring *ring, void *const *pages, unsigned int nr)
{
	uint64_t tail = os_load(&ring->tail), room;
	unsigned int n, i;

	do {
		/* A head that has passed a stale tail makes this wrong, and
		 * the exchange fail. */
		room = ring->size - (tail - os_load_acquire(&ring->head));
		n = (unsigned int)rpcbuf_min(room, (uint64_t)nr);
		if (!n)
			return 0;
	} while (!os_cas_acq_rel(&ring->tail, &tail, tail + n));

	for (i = 0; i < n; i++)
		os_store_release(&slot(ring, tail + i)->page, pages[i]);
	return n;
}

unsigned int ring_pop(struct ring *ring, void **pages, unsigned int nr)
{
	uint64_t head = os_own(&ring->head);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		void *page = os_load_acquire(&slot(ring, head + i)->page);

		if (!page)
			break;
		pages[i] = page;
		os_store(&slot(ring, head + i)->page, NULL);
	}
	if (i)
		os_store_release(&ring->head, head + i);
	return i;
}
