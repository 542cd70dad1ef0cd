/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The bytes of a connection that are not yet calls.  Owns pages[0..nr_pages),
 * and nr_spare pages behind them; one thread at a time.
 *
 * Offsets count from the start of pages[0].  head <= head + parsed <=
 * head + filled <= nr_pages * page size; head lies in pages[0].  When no byte
 * is left, no page is kept either, but that pages were just reserved.
 */
#include <rpcbuf/stream.h>
#include <errno.h>
#include <string.h>

#include "rpcbuf/rqst/rqst_private.h"

/* What a record that carries a payload of whole pages begins with. */
#define HEADER_BYTES 1024u
/* Most that is copied to let the rest of a record lie in one run: what one
 * receive reads ahead as a rule, and a page on either side. */
#define MOVED_PAGES  66u

uint32_t rpcbuf_stream_slots(const struct rpcbuf_record_limits *limits,
			     size_t read_ahead)
{
	uint64_t marks = (uint64_t)limits->max_fragments * RPCBUF_MARK_SIZE;
	uint64_t wire = limits->max_length + marks + read_ahead;

	return rpcbuf_pages_spanned(RPCBUF_PAGE_SIZE - 1, wire) + 1;
}

void rpcbuf_stream_init(struct rpcbuf_stream *s, struct rpcbuf *mm,
			void **slots, uint32_t nr_slots)
{
	*s = (struct rpcbuf_stream){
		.mm = mm,
		.pages = slots,
		.nr_slots = nr_slots,
	};
}

void rpcbuf_stream_reset(struct rpcbuf_stream *s)
{
	rpcbuf_stream_trim(s);
	if (s->nr_pages)
		rpcbuf_free_bulk_array(s->mm, s->nr_pages, s->pages);
	rpcbuf_stream_init(s, s->mm, s->pages, s->nr_slots);
}

void rpcbuf_stream_trim(struct rpcbuf_stream *s)
{
	if (s->nr_spare)
		rpcbuf_free_run(s->mm, s->nr_spare, s->pages + s->nr_pages);
	s->nr_spare = 0;
}

bool rpcbuf_stream_empty(const struct rpcbuf_stream *s)
{
	return !s->nr_pages;
}

/* Bytes that still fit into the last page. */
static size_t last_page_room(const struct rpcbuf_stream *s)
{
	return s->nr_pages * RPCBUF_PAGE_SIZE - s->head - s->filled;
}

unsigned int rpcbuf_stream_iov(const struct rpcbuf_stream *s,
			       struct rpcbuf_rqst *rqst, size_t want,
			       struct iovec *iov, unsigned int max_iov)
{
	void *const *fresh = s->nr_spare ? s->pages + s->nr_pages
					 : rqst_front(rqst);
	size_t room = last_page_room(s);
	size_t free_slots =
		rpcbuf_min(s->nr_slots - s->nr_pages, rqst_nr_front(rqst));
	unsigned int n = 0;

	if (s->nr_spare)
		free_slots = s->nr_spare;

	want = rpcbuf_min(want, room + free_slots * RPCBUF_PAGE_SIZE);
	if (room && want && max_iov) {
		size_t len = rpcbuf_min(room, want);

		iov[n].iov_base = (char *)s->pages[s->nr_pages - 1] +
				  RPCBUF_PAGE_SIZE - room;
		iov[n++].iov_len = len;
		want -= len;
	}
	for (size_t i = 0; want; i++) {
		size_t len = rpcbuf_min(RPCBUF_PAGE_SIZE, want);
		char *end = n ? (char *)iov[n - 1].iov_base + iov[n - 1].iov_len
			      : NULL;

		if (end == fresh[i]) {
			iov[n - 1].iov_len += len;
		} else {
			if (n == max_iov)
				break;
			iov[n].iov_base = fresh[i];
			iov[n++].iov_len = len;
		}
		want -= len;
	}
	return n;
}

const void *rpcbuf_stream_next_page(const struct rpcbuf_stream *s)
{
	return s->nr_pages
		       ? (char *)s->pages[s->nr_pages - 1] + RPCBUF_PAGE_SIZE
		       : NULL;
}

void rpcbuf_stream_commit(struct rpcbuf_stream *s, struct rpcbuf_rqst *rqst,
			  size_t len)
{
	size_t room = last_page_room(s);
	uint32_t nr;

	if (len > room) {
		nr = rpcbuf_pages_spanned(0, len - room);
		if (s->nr_spare) {
			s->nr_spare -= nr;
		} else {
			rpcbuf_rqst_take(rqst, nr, s->pages + s->nr_pages);
			s->run |= rqst->run.in_front;
		}
		s->nr_pages += nr;
	}
	s->filled += (uint32_t)len;
}

void rpcbuf_stream_move(struct rpcbuf_stream *s, void **pages, bool run)
{
	uint32_t at = s->head, left = s->filled;

	for (uint32_t i = 0; i < s->nr_pages; i++) {
		uint32_t len =
			rpcbuf_min(left, (uint32_t)RPCBUF_PAGE_SIZE - at);
		void *old = s->pages[i];

		memcpy((char *)pages[i] + at, (char *)old + at, len);
		s->pages[i] = pages[i];
		pages[i] = old;
		left -= len;
		at = 0;
	}
	s->run = run;
}

/* Copies the bytes of a stream out of the pages that it had, whose first byte is
 * at @head there. */
static void copy_from(struct rpcbuf_stream *s, void *const *had, uint32_t head)
{
	uint32_t from = head, to = s->head, left = s->filled;

	while (left) {
		uint32_t from_in = from % (uint32_t)RPCBUF_PAGE_SIZE;
		uint32_t to_in = to % (uint32_t)RPCBUF_PAGE_SIZE;
		uint32_t in = rpcbuf_max(from_in, to_in);
		uint32_t len =
			rpcbuf_min(left, (uint32_t)RPCBUF_PAGE_SIZE - in);

		memcpy((char *)s->pages[to >> RPCBUF_PAGE_SHIFT] + to_in,
		       (char *)had[from >> RPCBUF_PAGE_SHIFT] + from_in, len);
		from += len;
		to += len;
		left -= len;
	}
}

/* @nr adjacent pages of a vector, behind a single one if @lone; all of them or
 * none. */
static bool take_adjacent(struct rpcbuf_rqst *rqst, bool lone, uint32_t nr,
			  void **pages)
{
	rpcbuf_rqst_want(rqst, nr);
	if (rpcbuf_rqst_try_fill(rqst) || !rpcbuf_rqst_is_run(rqst))
		return false;
	if (lone) {
		*pages = rqst_alloc_page(rqst);
		if (!*pages)
			return false;
	}
	rpcbuf_rqst_take(rqst, nr, pages + lone);
	return true;
}

int rpcbuf_stream_reserve(struct rpcbuf_stream *s, struct rpcbuf_rqst *rqst,
			  uint32_t wanted, uint32_t *copied)
{
	uint64_t total = (uint64_t)s->filled + wanted;
	uint32_t begin = (uint32_t)(total % RPCBUF_PAGE_SIZE);
	uint32_t had = s->nr_pages, head = s->head;
	bool lone = begin && begin <= HEADER_BYTES;
	uint64_t nr = (total >> RPCBUF_PAGE_SHIFT) + (begin && !lone);
	void *old[MOVED_PAGES];

	if (had > MOVED_PAGES)
		return -E2BIG;
	if (!nr || nr + lone > s->nr_slots)
		return -ENOMEM;
	rpcbuf_stream_trim(s);
	memcpy(old, s->pages, had * sizeof(*old));
	if (!take_adjacent(rqst, lone, (uint32_t)nr, s->pages)) {
		memcpy(s->pages, old, had * sizeof(*old));
		return -ENOMEM;
	}
	s->head = begin ? (uint32_t)RPCBUF_PAGE_SIZE - begin : 0;
	copy_from(s, old, head);
	*copied = s->filled;
	if (had && s->run)
		rpcbuf_free_run(s->mm, had, old);
	else if (had)
		rpcbuf_free_bulk_array(s->mm, had, old);
	s->run = true;
	s->nr_pages = rpcbuf_max(1u, rpcbuf_pages_spanned(s->head, s->filled));
	s->nr_spare = (uint32_t)nr + lone - s->nr_pages;
	return 0;
}

/* Feeds the record machine with the bytes that have arrived, up to the end of the
 * record. */
static int feed_record(struct rpcbuf_stream *s,
		       const struct rpcbuf_record_limits *limits,
		       struct rpcbuf_record_refusal *refusal)
{
	while (s->parsed < s->filled) {
		uint32_t at = s->head + s->parsed;
		uint32_t in_page = at & (uint32_t)~RPCBUF_PAGE_MASK;
		size_t len = rpcbuf_min(RPCBUF_PAGE_SIZE - in_page,
					(size_t)(s->filled - s->parsed));
		size_t consumed;
		int ret = rpcbuf_record_feed(
			&s->machine, limits,
			(char *)s->pages[at >> RPCBUF_PAGE_SHIFT] + in_page,
			len, &consumed, refusal);

		s->parsed += (uint32_t)consumed;
		if (ret)
			return ret;
	}
	return 0;
}

static uint32_t count_runs(void *const *pages, uint32_t nr)
{
	uint32_t runs = nr ? 1 : 0;

	for (uint32_t i = 1; i < nr; i++)
		runs += !rpcbuf_adjacent(pages[i - 1], pages[i]);
	return runs;
}

/*
 * Hands the pages of the parsed bytes to @message.  The last one stays, with
 * another reference, when bytes follow in it.
 */
static int cut(struct rpcbuf_stream *s, struct rpcbuf_message *message)
{
	uint32_t end = s->head + s->parsed;
	uint32_t nr = rpcbuf_pages_spanned(0, end);
	uint32_t keep = nr;
	bool more = s->filled > s->parsed;
	int err;

	if (more && (end & ~RPCBUF_PAGE_MASK)) {
		err = rpcbuf_page_get(s->mm, s->pages[nr - 1]);
		if (err)
			return err;
		keep = nr - 1;
	}
	memcpy(message->pages, s->pages, nr * sizeof(*s->pages));
	message->mm = s->mm;
	message->nr_pages = nr;
	message->nr_runs = count_runs(s->pages, nr);
	message->offset = s->head;
	message->wire_length = s->parsed;
	message->length = s->machine.length;
	message->fragments = s->machine.fragments;
	message->run = s->run;

	s->nr_pages -= keep;
	memmove(s->pages, s->pages + keep,
		(s->nr_pages + s->nr_spare) * sizeof(*s->pages));
	s->head = end - keep * (uint32_t)RPCBUF_PAGE_SIZE;
	s->filled -= s->parsed;
	s->parsed = 0;
	if (!more) {
		rpcbuf_stream_trim(s);
		s->head = 0;
		s->run = false;
	}
	return 1;
}

int rpcbuf_stream_next(struct rpcbuf_stream *s,
		       const struct rpcbuf_record_limits *limits,
		       struct rpcbuf_message *message,
		       struct rpcbuf_record_refusal *refusal)
{
	int ret = feed_record(s, limits, refusal);

	return ret == 1 ? cut(s, message) : ret;
}

bool rpcbuf_stream_ready(const struct rpcbuf_stream *s)
{
	uint32_t mark = 0;

	if (s->parsed || s->filled < RPCBUF_MARK_SIZE)
		return false;
	for (uint32_t i = 0; i < RPCBUF_MARK_SIZE; i++) {
		uint32_t at = s->head + i;

		const uint8_t *page = s->pages[at >> RPCBUF_PAGE_SHIFT];

		mark = mark << 8 | page[at & ~RPCBUF_PAGE_MASK];
	}
	return mark & RPCBUF_MARK_LAST &&
	       (mark & ~RPCBUF_MARK_LAST) <= s->filled - RPCBUF_MARK_SIZE;
}

uint32_t rpcbuf_stream_wanted(const struct rpcbuf_stream *s)
{
	return rpcbuf_record_wanted(&s->machine);
}
