/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Helpers for tests of records: messages as on the wire.
 */
#ifndef TESTS_WIRE_UTIL_H
#define TESTS_WIRE_UTIL_H

#include <arpa/inet.h>
#include <errno.h>
#include <rpcbuf/cursor.h>
#include <rpcbuf/record.h>

#include "mm_util.h"
#include "rpcbuf/os/bits.h"

#define WIRE_NR(array) (sizeof(array) / sizeof((array)[0]))

static inline void put32(uint8_t *to, uint32_t value)
{
	value = htonl(value);
	memcpy(to, &value, 4);
}

static inline uint32_t get32(const void *from)
{
	uint32_t value;

	memcpy(&value, from, 4);
	return ntohl(value);
}

/* Writes a record mark; returns its size. */
static inline size_t wire_mark(uint8_t *to, uint32_t length, bool last)
{
	uint32_t mark = length | (last ? RPCBUF_MARK_LAST : 0);

	to[0] = (uint8_t)(mark >> 24);
	to[1] = (uint8_t)(mark >> 16);
	to[2] = (uint8_t)(mark >> 8);
	to[3] = (uint8_t)mark;
	return RPCBUF_MARK_SIZE;
}

/* Describes a message of @length bytes in @nr fragments, from @offset of the first
 * of @pages. */
static inline struct rpcbuf_message wire_message(struct rpcbuf *mm,
						 void **pages, uint32_t offset,
						 uint32_t length,
						 unsigned int nr)
{
	uint32_t wire_length = length + nr * RPCBUF_MARK_SIZE;

	return (struct rpcbuf_message){
		.mm = mm,
		.pages = pages,
		.nr_pages = rpcbuf_pages_spanned(offset, wire_length),
		.offset = offset,
		.wire_length = wire_length,
		.length = length,
		.fragments = nr,
	};
}

/* Writes @body as a record of fragments of these sizes; returns its length in
 * bytes. */
static inline size_t wire_record(uint8_t *to, const uint8_t *body,
				 const uint32_t *sizes, unsigned int nr)
{
	uint8_t *at = to;

	for (unsigned int i = 0; i < nr; i++) {
		at += wire_mark(at, sizes[i], i == nr - 1);
		memcpy(at, body, sizes[i]);
		at += sizes[i];
		body += sizes[i];
	}
	return (size_t)(at - to);
}

/*
 * Cuts @length bytes into 1 to @max fragments; returns their number.  Mostly
 * few; some are empty.
 */
static inline unsigned int wire_cut(uint64_t *seed, uint32_t length,
				    uint32_t *sizes, unsigned int max)
{
	unsigned int nr = 1;

	while (nr < max && test_below(seed, 3) == 0) {
		uint32_t size =
			test_below(seed, 4) ? test_below(seed, length + 1) : 0;

		sizes[nr++ - 1] = size;
		length -= size;
	}
	sizes[nr - 1] = length;
	return nr;
}

/* Bytes that tell their position, and some that look like marks. */
static inline void wire_pattern(uint8_t *bytes, size_t len, uint32_t salt)
{
	for (size_t i = 0; i < len; i++) {
		uint32_t x = ((uint32_t)i + salt) * 0x9e3779b1u;

		bytes[i] = x % 7 == 0 ? 0x80 : (uint8_t)(x >> 24);
	}
}

/* Splits @len bytes into portions, none of them empty. */
static inline size_t wire_portion(uint64_t *seed, size_t len)
{
	static const uint32_t usual[] = {1, 3, 4, 17, 300, 4096, 70000};
	uint32_t most = usual[test_below(seed, WIRE_NR(usual))];
	size_t portion = 1 + test_below(seed, most);

	return portion < len ? portion : len;
}

/* Runs a suite; returns the exit status of its program. */
static inline int wire_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif /* TESTS_WIRE_UTIL_H */
