/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which block pages are taken from: blocks for runs, blocks for single pages,
 * and memory that is not in use (zone.h).
 */
#include <rpcbuf/mm/zone_private.h>

unsigned int zone_row(const struct zone *zone, int8_t first, unsigned int least)
{
	unsigned int bits = os_own(&zone->listed) >> first;

	return (bits & ((1u << ZONE_ORDERS) - 1)) >> least << least;
}

static int highest(unsigned int bits)
{
	return 31 - __builtin_clz(bits);
}

/* Memory that is not in use, if there is any: reported first, then fresh. */
static int choose_unused(struct zone *zone)
{
	if (os_own(&zone->listed) >> ZONE_REPORTED & 1)
		return ZONE_REPORTED;
	if (!zone_open_fresh(zone))
		return ZONE_NO_ORDER;
	return os_own(&zone_block(zone, os_own(&zone->fresh) - 1)->list);
}

/* The last resort, where neither kind of block has what was wanted. */
static int choose_any(const struct zone *zone)
{
	unsigned int runs = zone_row(zone, 0, 0);
	unsigned int singles = zone_row(zone, ZONE_SINGLES, 0);

	if (!runs && !singles)
		return ZONE_NO_ORDER;
	return runs > singles ? highest(runs) : ZONE_SINGLES + highest(singles);
}

/*
 * The list to take adjacent pages from: the smallest order that serves @want
 * whole, then the largest of 16 in a row and more, then unused memory, then the
 * same of the blocks for single pages, before it settles for less.
 */
static int choose_adjacent(struct zone *zone, unsigned int want)
{
	unsigned int wish =
		rpcbuf_min((unsigned int)highest(want), ZONE_WORD_ORDER);
	unsigned int least = rpcbuf_min(wish, 4u), bits;
	int list;

	bits = zone_row(zone, 0, wish);
	if (bits)
		return __builtin_ctz(bits);
	bits = zone_row(zone, 0, least);
	if (bits)
		return highest(bits);
	list = choose_unused(zone);
	if (list != ZONE_NO_ORDER)
		return list;
	return choose_any(zone);
}

/* The list to take single pages from: see zone.h. */
static int choose_single(struct zone *zone)
{
	unsigned int bits = zone_row(zone, ZONE_SINGLES, 0);
	int list;

	if (bits)
		return ZONE_SINGLES + __builtin_ctz(bits);
	if (zone_row(zone, 0, ZONE_BLOCK_ORDER))
		return ZONE_BLOCK_ORDER;
	list = choose_unused(zone);
	if (list != ZONE_NO_ORDER)
		return list;
	bits = zone_row(zone, 0, 0);
	return bits ? __builtin_ctz(bits) : ZONE_NO_ORDER;
}

int zone_choose(struct zone *zone, unsigned int want, bool adjacent)
{
	return adjacent ? choose_adjacent(zone, want) : choose_single(zone);
}
