/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Record marking: finds the end of a record in bytes that arrive in any
 * portions.  Owns nothing; the owner of the machine calls it.
 *
 * Inside a fragment the bytes are only counted, so the cost is per mark and per
 * portion.  Limits are checked as soon as a mark is whole, before memory is
 * allocated for it.
 */
#include <errno.h>
#include <rpcbuf/record.h>

static int set_refusal(struct rpcbuf_record_refusal *refusal, uint64_t value,
		       uint64_t limit, int err)
{
	refusal->value = value;
	refusal->limit = limit;
	return err;
}

/* A mark is whole: enter its fragment, within the limits. */
static int enter_fragment(struct rpcbuf_record_machine *m,
			  const struct rpcbuf_record_limits *limits,
			  struct rpcbuf_record_refusal *refusal)
{
	uint32_t claim = m->mark & ~RPCBUF_MARK_LAST;
	uint64_t length = (uint64_t)m->length + claim;

	m->last = (m->mark & RPCBUF_MARK_LAST) != 0;
	m->mark = 0;
	m->mark_bytes = 0;
	if (++m->fragments > limits->max_fragments)
		return set_refusal(refusal, m->fragments, limits->max_fragments,
				   -E2BIG);
	if (length > limits->max_length)
		return set_refusal(refusal, length, limits->max_length,
				   -EMSGSIZE);
	if (m->last && length < limits->min_length)
		return set_refusal(refusal, length, limits->min_length,
				   -EBADMSG);
	m->fragment_left = claim;
	m->in_fragment = 1;
	return 0;
}

/* Collects the bytes of a mark; returns how many it took. */
static size_t take_mark(struct rpcbuf_record_machine *m, const uint8_t *bytes,
			size_t len)
{
	size_t n = 0;

	while (n < len && m->mark_bytes < RPCBUF_MARK_SIZE) {
		m->mark = m->mark << 8 | bytes[n++];
		m->mark_bytes++;
	}
	return n;
}

int rpcbuf_record_feed(struct rpcbuf_record_machine *m,
		       const struct rpcbuf_record_limits *limits,
		       const void *bytes, size_t len, size_t *consumed,
		       struct rpcbuf_record_refusal *refusal)
{
	size_t at = 0;
	int err;

	if (m->complete)
		*m = (struct rpcbuf_record_machine){ 0 };
	for (;;) {
		if (!m->in_fragment) {
			at += take_mark(m, (const uint8_t *)bytes + at,
					len - at);
			*consumed = at;
			if (m->mark_bytes < RPCBUF_MARK_SIZE)
				return 0;
			err = enter_fragment(m, limits, refusal);
			if (err)
				return err;
		}
		uint32_t n = m->fragment_left < len - at
				     ? m->fragment_left
				     : (uint32_t)(len - at);
		at += n;
		m->length += n;
		m->fragment_left -= n;
		*consumed = at;
		if (m->fragment_left)
			return 0;
		m->in_fragment = 0;
		if (m->last) {
			m->complete = 1;
			return 1;
		}
	}
}

uint32_t rpcbuf_record_wanted(const struct rpcbuf_record_machine *m)
{
	if (m->complete)
		return RPCBUF_MARK_SIZE;
	if (!m->in_fragment)
		return RPCBUF_MARK_SIZE - m->mark_bytes;
	return m->fragment_left + (m->last ? 0 : RPCBUF_MARK_SIZE);
}

bool rpcbuf_record_idle(const struct rpcbuf_record_machine *m)
{
	return m->complete || (!m->fragments && !m->mark_bytes);
}
