/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The lower bound: addresses are copied from the top of a warm array and back.
 * Nothing is allocated or checked.  Each thread has its own array.
 */
#include <stdlib.h>
#include <string.h>

#include "peers.h"

#define COPY_PAGES 2048u
#define COPY_ALIGN 128u /* no two threads share a cache line */

struct stack {
	unsigned int nr;
	void *pages[COPY_PAGES];
} __attribute__((aligned(COPY_ALIGN)));

WORK_INLINE bool copy_fill(void *pool, void **pages, unsigned int nr)
{
	struct stack *stack = pool;

	if (stack->nr < nr)
		return false;
	stack->nr -= nr;
	memcpy(pages, stack->pages + stack->nr, nr * sizeof(*pages));
	return true;
}

WORK_INLINE void copy_release(void *pool, void **pages, unsigned int nr)
{
	struct stack *stack = pool;

	memcpy(stack->pages + stack->nr, pages, nr * sizeof(*pages));
	stack->nr += nr;
}

WORK_DEFINE(copy);

static struct stack *make_stack(void)
{
	struct stack *stack = aligned_alloc(COPY_ALIGN, sizeof(*stack));
	char *memory =
		aligned_alloc((size_t)2 << 20, (size_t)COPY_PAGES * WORK_PAGE);

	if (!stack || !memory)
		return NULL;
	for (stack->nr = 0; stack->nr < COPY_PAGES; stack->nr++)
		stack->pages[stack->nr] =
			memory + (size_t)stack->nr * WORK_PAGE;
	return stack;
}

static bool copy_open(struct peer *peer, char why[PEER_WHY])
{
	(void)why;
	for (unsigned int i = 0; i < PEER_THREADS; i++) {
		peer->pool[i] = make_stack();
		if (!peer->pool[i])
			return false;
	}
	return true;
}

struct peer peer_copy = {
	.name = "copy",
	.about = "copying addresses from and to a warm array",
	.ops = &copy_ops,
	.open = copy_open,
	.cases = CASES_ALLOC & ~CASE_BIT(CROSS),
};
