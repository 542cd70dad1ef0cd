/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Arrays of page addresses, four slots at a time.
 *
 * The copy of a fill and the tests of a release are most of what a bulk call
 * does, and compilers leave such short loops scalar or call memset for them.
 * A quad is GCC's vector extension: one AVX2 register, two of SSE2 or NEON, or
 * plain code, by what the calling function is compiled for.
 */
#ifndef RPCBUF_MM_SLOTS_H
#define RPCBUF_MM_SLOTS_H

#include <rpcbuf/mm.h>

#define RUN_ORDER    4u
#define RUN_PAGES    (1u << RUN_ORDER) /* adjacent pages, aligned to 64 KiB */

#define SLOTS_INLINE static inline __attribute__((always_inline))

/* Slots are aligned as pointers are, not as vectors. */
typedef uint64_t slots_quad
	__attribute__((vector_size(32), aligned(8), may_alias));
#define SLOTS_QUAD 4u

_Static_assert(sizeof(void *) == sizeof(uint64_t), "a slot is 64 bits");

#define slots_quad_any(quad) \
	(((quad)[0] | (quad)[1] | (quad)[2] | (quad)[3]) != 0)

/* The addresses of the first quad of a run, and what to add for the next. */
#define slots_first_quad(run)                                          \
	{                                                              \
		(uintptr_t)(run), (uintptr_t)(run) + RPCBUF_PAGE_SIZE, \
			(uintptr_t)(run) + 2 * RPCBUF_PAGE_SIZE,       \
			(uintptr_t)(run) + 3 * RPCBUF_PAGE_SIZE        \
	}
#define SLOTS_QUAD_STEP (SLOTS_QUAD * RPCBUF_PAGE_SIZE)

/* True when all of @nr slots are NULL. */
SLOTS_INLINE bool slots_all_null(void *const *slots, unsigned int nr)
{
	const slots_quad *quad = (const slots_quad *)(const void *)slots;
	slots_quad any = {0, 0, 0, 0};
	uintptr_t last = 0;
	unsigned int i;

	for (i = 0; i + 2 * SLOTS_QUAD <= nr; i += 2 * SLOTS_QUAD, quad += 2)
		any |= quad[0] | quad[1];
	for (; i < nr; i++)
		last |= (uintptr_t)slots[i];
	return !slots_quad_any(any) && !last;
}

SLOTS_INLINE void slots_copy(void **to, void *const *from, unsigned int nr)
{
	slots_quad *out = (slots_quad *)(void *)to;
	const slots_quad *in = (const slots_quad *)(const void *)from;
	unsigned int i;

	for (i = 0; i + SLOTS_QUAD <= nr; i += SLOTS_QUAD)
		*out++ = *in++;
	for (; i < nr; i++)
		to[i] = from[i];
}

/* Writes the addresses of a run's pages to 16 slots. */
SLOTS_INLINE void slots_expand_run(void **slots, const void *run)
{
	slots_quad *quad = (slots_quad *)(void *)slots;
	slots_quad next = slots_first_quad(run);
	unsigned int i;

#pragma GCC unroll 4
	for (i = 0; i < RUN_PAGES / SLOTS_QUAD; i++) {
		quad[i] = next;
		next += SLOTS_QUAD_STEP;
	}
}

/* True when 16 slots are adjacent pages, in order. */
SLOTS_INLINE bool slots_adjacent_run(void *const *slots)
{
	const slots_quad *quad = (const slots_quad *)(const void *)slots;
	slots_quad next = slots_first_quad(slots[0]);
	slots_quad differ = {0, 0, 0, 0};
	unsigned int i;

#pragma GCC unroll 4
	for (i = 0; i < RUN_PAGES / SLOTS_QUAD; i++) {
		differ |= quad[i] ^ next;
		next += SLOTS_QUAD_STEP;
	}
	return !slots_quad_any(differ);
}

SLOTS_INLINE void slots_clear_run(void **slots)
{
	slots_quad *quad = (slots_quad *)(void *)slots;
	unsigned int i;

#pragma GCC unroll 4
	for (i = 0; i < RUN_PAGES / SLOTS_QUAD; i++)
		quad[i] = (slots_quad){0, 0, 0, 0};
}

#endif /* RPCBUF_MM_SLOTS_H */
