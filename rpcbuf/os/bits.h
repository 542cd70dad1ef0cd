/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Small helpers that every layer uses. */
#ifndef RPCBUF_OS_BITS_H
#define RPCBUF_OS_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The size of a page of memory, here and in the public headers. */
#define OS_PAGE_SHIFT	   12
#define OS_PAGE_SIZE	   ((size_t)1 << OS_PAGE_SHIFT)

#define rpcbuf_likely(x)   __builtin_expect(!!(x), 1)
#define rpcbuf_unlikely(x) __builtin_expect(!!(x), 0)

#define rpcbuf_min(a, b)                \
	({                              \
		__typeof__(a) a_ = (a); \
		__typeof__(b) b_ = (b); \
		a_ < b_ ? a_ : b_;      \
	})

#define rpcbuf_max(a, b)                \
	({                              \
		__typeof__(a) a_ = (a); \
		__typeof__(b) b_ = (b); \
		a_ > b_ ? a_ : b_;      \
	})

#define rpcbuf_container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

/* True when page @b follows page @a in memory.  Either may be NULL. */
static inline bool rpcbuf_adjacent(const void *a, const void *b)
{
	return (uintptr_t)a + OS_PAGE_SIZE == (uintptr_t)b;
}

/* Pages that @bytes bytes from offset @offset of a page reach into. */
static inline uint32_t rpcbuf_pages_spanned(size_t offset, size_t bytes)
{
	return (uint32_t)((offset + bytes + OS_PAGE_SIZE - 1) >> OS_PAGE_SHIFT);
}

/* The least power of two, as its exponent, that is not less than @value. */
static inline unsigned int rpcbuf_log2_up(uint64_t value)
{
	return value <= 1 ? 0 : 64 - (unsigned int)__builtin_clzll(value - 1);
}

#endif /* RPCBUF_OS_BITS_H */
