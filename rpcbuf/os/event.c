/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Events: both ends of the ring, and what readers ask for.
 *
 * A writer takes a number, claims the record that it falls on, writes it, and
 * its sequence last.  A reader that finds the sequence it expects before and
 * after it has copied the record has all of it; with a higher one it is too
 * late.
 */
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/publish.h"
#include "rpcbuf/os/segment.h"

static __attribute__((noinline)) unsigned int
look_at_leases(const struct rpcbuf_publisher *publisher, uint64_t now_ns)
{
	const uint64_t *until = publisher->control->until_ns;
	unsigned int bits = 0;

	for (unsigned int i = 0; i < RPCBUF_WATCH_NR; i++)
		if (os_load(&until[i]) - now_ns < RPCBUF_LEASE_MAX_NS)
			bits |= 1u << i;
	if (!os_load(&publisher->ring_ready))
		bits &= ~(unsigned int)RPCBUF_WATCH_EVENTS;
	return bits;
}

unsigned int rpcbuf_publisher_watched(const struct rpcbuf_publisher *publisher,
				      uint64_t now_ns)
{
	const uint64_t *until = publisher->control->until_ns;

	_Static_assert(RPCBUF_WATCH_NR == 3, "all are looked at");
	if (!(os_load(&until[0]) | os_load(&until[1]) | os_load(&until[2])))
		return 0;
	return look_at_leases(publisher, now_ns);
}

void publish_end_leases(struct rpcbuf_publisher *publisher, uint64_t now_ns)
{
	uint64_t *until = publisher->control->until_ns;

	for (unsigned int i = 0; i < RPCBUF_WATCH_NR; i++) {
		uint64_t end = os_load(&until[i]);

		/* A reader may renew it meanwhile. */
		if (end && end - now_ns >= RPCBUF_LEASE_MAX_NS)
			os_cas_acquire(&until[i], &end, 0);
	}
}

/*
 * The record may still be another's: of a writer that was interrupted a whole
 * round ago, or that has come from behind.  Then this event is lost; the
 * reader has lost it anyway.
 */
static bool claim_record(struct rpcbuf_event *record, uint64_t number)
{
	uint64_t sequence = os_load(&record->sequence);

	return !(sequence & EVENT_BUSY) && sequence <= number &&
	       os_cas_acquire(&record->sequence, &sequence,
			      EVENT_BUSY | (number + 1));
}

static void store_event(struct rpcbuf_publisher *publisher,
			struct rpcbuf_event *event)
{
	uint64_t number = os_fetch_add(&publisher->header->head, 1);
	struct rpcbuf_event *record =
		&publisher->ring[number & (publisher->nr_events - 1)];

	if (!claim_record(record, number))
		return;
	event->sequence = number + 1;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	segment_copy(&record->time_ns, &event->time_ns,
		     sizeof(*event) - sizeof(event->sequence));
	os_store_release(&record->sequence, number + 1);
}

/* Counted in, so that the ring keeps its memory meanwhile. */
void rpcbuf_publisher_write_event(struct rpcbuf_publisher *publisher,
				  struct rpcbuf_event *event)
{
	os_fetch_add_seq(&publisher->writers, 1);
	if (os_load_seq(&publisher->ring_ready))
		store_event(publisher, event);
	os_fetch_add_release(&publisher->writers, -1u);
}
