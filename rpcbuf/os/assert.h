/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Assertions of two tiers.  RPCBUF_DEBUG, set by the Debug and the sanitizer
 * builds, adds the expensive one.
 *
 *   rpcbuf_assert        internal consistency, a compare; in every build
 *   rpcbuf_assert_debug  walks structures or costs memory
 *
 * What a caller gets wrong is not asserted but reported, see page.h.
 */
#ifndef RPCBUF_OS_ASSERT_H
#define RPCBUF_OS_ASSERT_H

#include <rpcbuf/os/bits.h>

#ifndef RPCBUF_DEBUG
#define RPCBUF_DEBUG 0
#endif

/* Prints the sentence on standard error and aborts. */
void os_panic(const char *format, ...)
	__attribute__((noreturn, cold, format(printf, 1, 2)));

#define rpcbuf_assert(condition)                                         \
	(rpcbuf_likely(condition)                                        \
		 ? (void)0                                               \
		 : os_panic("%s:%d: %s: assertion failed: %s", __FILE__, \
			    __LINE__, __func__, #condition))

#define rpcbuf_assert_debug(condition)            \
	do {                                      \
		if (RPCBUF_DEBUG)                 \
			rpcbuf_assert(condition); \
	} while (0)

#endif /* RPCBUF_OS_ASSERT_H */
