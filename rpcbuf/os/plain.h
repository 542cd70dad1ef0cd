/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The operations of atomic.h on plain objects as well, from where this header
 * is included on.  For sources only whose objects cannot be declared as
 * atomic.h wants it: the words of a segment, whose layout is public
 * (rpcbuf/segment.h), and for now the fields of engine/, tirpc/ and fsal/,
 * with their tests.  Not for mm/, pool/ and rqst/: tests/check-fields refuses
 * it there.
 */
#ifndef RPCBUF_OS_PLAIN_H
#define RPCBUF_OS_PLAIN_H

#include <rpcbuf/os/atomic.h>

#undef os_word
#define os_word(p) \
	_Generic((p),                                       \
		struct os_bool *: (bool *)(void *)(p),      \
		const struct os_bool *: (const bool *)(const void *)(p), \
		struct os_u32 *: (uint32_t *)(void *)(p),   \
		const struct os_u32 *: (const uint32_t *)(const void *)(p), \
		struct os_u64 *: (uint64_t *)(void *)(p),   \
		const struct os_u64 *: (const uint64_t *)(const void *)(p), \
		default: (p))

#endif /* RPCBUF_OS_PLAIN_H */
