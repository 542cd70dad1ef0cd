/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Contents of a file that identify their place and their writer: units of 16
 * bytes with the owner of the file, their place in it, the number of the WRITE
 * and which copy of it, for one that was sent more than once.
 */
#ifndef RPCBUF_E2E_TAGGED_H
#define RPCBUF_E2E_TAGGED_H

#include "rpc_call.h"

#define TAGGED_UNIT 16u

struct tag {
	uint32_t owner, at; /* at: in units */
	uint32_t number;    /* of the WRITE; 0: none yet, zeroes */
	uint16_t copy, sum; /* sum: of the others */
};

_Static_assert(sizeof(struct tag) == TAGGED_UNIT, "a unit is a tag");

static inline uint16_t tag_sum(const struct tag *tag)
{
	uint32_t sum = tag->owner ^ tag->at * 0x9e3779b9u ^
		       tag->number * 0x85ebca6bu ^ tag->copy * 0xc2b2ae35u;

	return sum ^ sum >> 16;
}

/* Fills len units from the place of the first tag on. */
static inline void tagged_put(void *to, struct tag tag, uint32_t len)
{
	for (struct tag *unit = to; len; len--, unit++, tag.at++) {
		tag.sum = tag_sum(&tag);
		*unit = tag;
	}
}

/* The tag of the unit that must be at a place; any other ends the program. */
static inline struct tag tagged_get(const void *from, uint32_t owner,
				    uint32_t at)
{
	static const struct tag none;
	struct tag tag;

	memcpy(&tag, from, sizeof(tag));
	if (memcmp(&tag, &none, sizeof(tag)) == 0)
		return tag;
	if (tag.owner != owner || tag.at != at || tag.sum != tag_sum(&tag))
		die("unit %u of file %u has bytes of another: %08x %08x %08x %04x %04x",
		    at, owner, tag.owner, tag.at, tag.number, tag.copy,
		    tag.sum);
	return tag;
}

#endif
