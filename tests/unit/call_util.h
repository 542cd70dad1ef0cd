/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Helpers for calls that are laid out by hand: a body, written word by word,
 * and a message of that body in pages.
 */
#ifndef TESTS_CALL_UTIL_H
#define TESTS_CALL_UTIL_H

#include <rpcbuf/cursor.h>

#include "wire_util.h"

#define NR_PAGES 8u
#define MAX_BODY (NR_PAGES * RPCBUF_PAGE_SIZE / 2)

static struct rpcbuf *mm;
static void *run[NR_PAGES], *slots[NR_PAGES];
static uint8_t body[MAX_BODY];
static uint32_t length;

static void setup(void)
{
	mm = test_create(64);
	require(rpcbuf_alloc_run(mm, NR_PAGES, run) == NR_PAGES);
}

static void teardown(void)
{
	rpcbuf_free_run(mm, NR_PAGES, run);
	test_destroy(mm);
}

static void put(uint32_t value)
{
	body[length++] = (uint8_t)(value >> 24);
	body[length++] = (uint8_t)(value >> 16);
	body[length++] = (uint8_t)(value >> 8);
	body[length++] = (uint8_t)value;
}

/* Opaque data of @words, each of which would be an operation if it were decoded
 * as one. */
static void put_words(uint32_t words)
{
	while (words--)
		put(0x7700 + words);
}

static void put_opaque(uint32_t len)
{
	put(len);
	put_words((len + 3) / 4);
}

static void put_head(uint32_t program, uint32_t version, uint32_t procedure)
{
	length = 0;
	put(0xabcdef01);
	put(0);
	put(2);
	put(program);
	put(version);
	put(procedure);
}

/* AUTH_SYS with @cred bytes and AUTH_NONE; a tag of @tag bytes; @nr
 * operations. */
static void put_compound(uint32_t cred, uint32_t tag, uint32_t nr)
{
	put_head(100003, 4, 1);
	put(1);
	put_opaque(cred);
	put(0);
	put(0);
	put_opaque(tag);
	put(1);
	put(nr);
}

/* Lays out the body as a message in fragments of @sizes, from @offset of the
 * first page. */
static struct rpcbuf_message call_message(uint32_t offset, const uint32_t *sizes,
					  unsigned int nr)
{
	struct rpcbuf_message message =
		wire_message(mm, slots, offset, length, nr);

	memcpy(slots, run, sizeof(slots));
	require(message.nr_pages <= NR_PAGES);
	wire_record((uint8_t *)run[0] + message.offset, body, sizes, nr);
	return message;
}

#endif /* TESTS_CALL_UTIL_H */
