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

#ifdef __AVX__
typedef long long slots_test __attribute__((vector_size(32)));
#define slots_quad_any(quad) \
	(!__builtin_ia32_ptestz256((slots_test)(quad), (slots_test)(quad)))
#else
#define slots_quad_any(quad) \
	(((quad)[0] | (quad)[1] | (quad)[2] | (quad)[3]) != 0)
#endif

/* The addresses of the first quad of a run, and what to add for the next. */
#define slots_first_quad(run)                                          \
	{                                                              \
		(uintptr_t)(run), (uintptr_t)(run) + RPCBUF_PAGE_SIZE, \
			(uintptr_t)(run) + 2 * RPCBUF_PAGE_SIZE,       \
			(uintptr_t)(run) + 3 * RPCBUF_PAGE_SIZE        \
	}
#define SLOTS_QUAD_STEP (SLOTS_QUAD * RPCBUF_PAGE_SIZE)

/* Two slots: a register of SSE2 or NEON. */
typedef uint64_t slots_pair
	__attribute__((vector_size(16), aligned(8), may_alias));
#define SLOTS_PAIR 2u

/*
 * Fewer than RUN_PAGES slots, from both ends to beyond the middle rather than
 * in loops: the branches depend on the power of two alone, while requests
 * differ in size from one to the next.
 */
SLOTS_INLINE bool slots_few_null(void *const *slots, unsigned int nr)
{
	const slots_pair *head = (const slots_pair *)(const void *)slots, *tail;
	slots_pair any;

	if (nr < SLOTS_PAIR)
		return !nr || !slots[0];
	tail = (const slots_pair *)(const void *)(slots + nr - SLOTS_PAIR);
	any = head[0] | tail[0];
	if (nr > 2 * SLOTS_PAIR)
		any |= head[1] | tail[-1];
	if (nr > 4 * SLOTS_PAIR)
		any |= head[2] | head[3] | tail[-2] | tail[-3];
	return !(any[0] | any[1]);
}

SLOTS_INLINE void slots_copy_few(void **to, void *const *from, unsigned int nr)
{
	const slots_pair *in = (const slots_pair *)(const void *)from, *in_end;
	slots_pair *out = (slots_pair *)(void *)to, *out_end;

	if (nr < SLOTS_PAIR) {
		if (nr)
			to[0] = from[0];
		return;
	}
	in_end = (const slots_pair *)(const void *)(from + nr - SLOTS_PAIR);
	out_end = (slots_pair *)(void *)(to + nr - SLOTS_PAIR);
	out[0] = in[0];
	out_end[0] = in_end[0];
	if (nr > 2 * SLOTS_PAIR) {
		out[1] = in[1];
		out_end[-1] = in_end[-1];
	}
	if (nr > 4 * SLOTS_PAIR) {
		out[2] = in[2];
		out[3] = in[3];
		out_end[-2] = in_end[-2];
		out_end[-3] = in_end[-3];
	}
}

/* True when all of @nr slots are NULL. */
SLOTS_INLINE bool slots_all_null(void *const *slots, unsigned int nr)
{
	const slots_quad *quad = (const slots_quad *)(const void *)slots;
	unsigned int i, whole = nr - nr % RUN_PAGES;
	slots_quad any = {0, 0, 0, 0};

	for (i = 0; i < whole; i += RUN_PAGES, quad += RUN_PAGES / SLOTS_QUAD)
		any |= quad[0] | quad[1] | quad[2] | quad[3];
	return !slots_quad_any(any) && slots_few_null(slots + i, nr - i);
}

SLOTS_INLINE void slots_copy(void **to, void *const *from, unsigned int nr)
{
	slots_quad *out = (slots_quad *)(void *)to;
	const slots_quad *in = (const slots_quad *)(const void *)from;
	unsigned int i, whole = nr - nr % RUN_PAGES;

	for (i = 0; i < whole; i += SLOTS_QUAD)
		*out++ = *in++;
	slots_copy_few(to + i, from + i, nr - i);
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

/*
 * The reference counts of a run's pages (page.h) as a quad: stored all alike,
 * and loaded with acquire.  The thread sanitizer wants to see atomic
 * operations; elsewhere 16 bits of a vector are not torn.
 */
#define SLOTS_REFS(count)                                                   \
	{                                                                   \
		(count) * 0x0001000100010001u, (count)*0x0001000100010001u, \
			(count)*0x0001000100010001u,                        \
			(count)*0x0001000100010001u                         \
	}

SLOTS_INLINE void slots_store_refs(struct os_u16 *refs, uint64_t count)
{
	slots_quad all = SLOTS_REFS(count);
#ifdef __SANITIZE_THREAD__
	unsigned int i;

	for (i = 0; i < SLOTS_QUAD; i++)
		os_store((struct os_u64 *)(void *)refs + i, all[i]);
#else
	*(slots_quad *)(void *)refs = all;
#endif
}

SLOTS_INLINE void slots_load_refs(const struct os_u16 *refs, slots_quad *all)
{
#ifdef __SANITIZE_THREAD__
	unsigned int i;

	for (i = 0; i < SLOTS_QUAD; i++)
		(*all)[i] = os_load_acquire(
			(const struct os_u64 *)(const void *)refs + i);
#else
	*all = *(const slots_quad *)(const void *)refs;
	os_fence_acquire();
#endif
}

/* Adds bits to *@differ when 16 slots are not adjacent pages, in order. */
SLOTS_INLINE void slots_compare_run(void *const *slots, slots_quad *differ)
{
	const slots_quad *quad = (const slots_quad *)(const void *)slots;
	slots_quad next = slots_first_quad(slots[0]);
	unsigned int i;

#pragma GCC unroll 4
	for (i = 0; i < RUN_PAGES / SLOTS_QUAD; i++) {
		*differ |= quad[i] ^ next;
		next += SLOTS_QUAD_STEP;
	}
}

/* True when 16 slots are adjacent pages, in order. */
SLOTS_INLINE bool slots_adjacent_run(void *const *slots)
{
	slots_quad differ = {0, 0, 0, 0};

	slots_compare_run(slots, &differ);
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
