/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One pointer to a vector: a window over its pages, compared with a copy.
 *
 * The vector consists of runs of 16 adjacent pages, ordered so that no two runs
 * are adjacent.  A round maps or copies them, reads every cache line once, and
 * unmaps them; a cached window is only read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rpcbuf/window.h>

#include "peers.h"

#define WINDOW_PAGES 16384u
#define WINDOW_RUN   16u
#define WINDOW_SIZES 5u

struct vector {
	struct rpcbuf *mm;
	void *pages[WINDOW_PAGES];
	char *copy;
	struct rpcbuf_window kept[WINDOW_SIZES + 1]; /* the last is empty */
};

static void load_cache_lines(const char *bytes, size_t len)
{
	uint64_t sum = 0;

	for (size_t at = 0; at < len; at += WORK_LINE)
		sum += *(const uint64_t *)(const void *)(bytes + at);
	__asm__ volatile("" ::"r"(sum));
}

static bool cycle_window(const struct work *w)
{
	struct vector *vector = w->pool;
	struct rpcbuf_window window;

	for (unsigned long i = 0; i < w->rounds; i++) {
		if (rpcbuf_window_map(vector->mm, &window, w->nr,
				      vector->pages))
			return false;
		load_cache_lines(window.address, window.length);
		rpcbuf_window_unmap(&window);
	}
	return true;
}

/* Returns the cached window of this size; maps it at first use. */
static const struct rpcbuf_window *cached_window(struct vector *vector,
						 unsigned int nr)
{
	struct rpcbuf_window *window = vector->kept;

	while (window->length && window->length != (size_t)nr * WORK_PAGE)
		window++;
	if (window == vector->kept + WINDOW_SIZES)
		return NULL;
	if (!window->length &&
	    rpcbuf_window_map(vector->mm, window, nr, vector->pages))
		return NULL;
	return window;
}

static bool cycle_kept(const struct work *w)
{
	const struct rpcbuf_window *window = cached_window(w->pool, w->nr);

	for (unsigned long i = 0; window && i < w->rounds; i++)
		load_cache_lines(window->address, window->length);
	return window != NULL;
}

static bool cycle_copy(const struct work *w)
{
	struct vector *vector = w->pool;

	for (unsigned long i = 0; i < w->rounds; i++) {
		for (unsigned int j = 0; j < w->nr; j++)
			memcpy(vector->copy + (size_t)j * WORK_PAGE,
			       vector->pages[j], WORK_PAGE);
		work_forget();
		load_cache_lines(vector->copy, (size_t)w->nr * WORK_PAGE);
	}
	return true;
}

/* Swaps odd and even runs, and writes to all pages. */
static void arrange(struct vector *vector)
{
	void *run[WINDOW_RUN];

	for (unsigned int i = 0; i < WINDOW_PAGES; i += 2 * WINDOW_RUN) {
		void **first = vector->pages + i, **second = first + WINDOW_RUN;

		memcpy(run, first, sizeof(run));
		memcpy(first, second, sizeof(run));
		memcpy(second, run, sizeof(run));
	}
	for (unsigned int i = 0; i < WINDOW_PAGES; i++)
		memset(vector->pages[i], 1, WORK_PAGE);
	memset(vector->copy, 1, (size_t)WINDOW_PAGES * WORK_PAGE);
}

static struct vector *make_vector(char why[PEER_WHY])
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct vector *vector = calloc(1, sizeof(*vector));
	int error;

	options.memory = (uint64_t)2 * WINDOW_PAGES * WORK_PAGE;
	options.windows = true;
	if (!vector)
		return NULL;
	error = rpcbuf_create(&vector->mm, &options);
	if (error) {
		snprintf(why, PEER_WHY, "rpcbuf_create with windows: %s",
			 strerror(-error));
		return NULL;
	}
	vector->copy = malloc((size_t)WINDOW_PAGES * WORK_PAGE);
	if (!vector->copy ||
	    rpcbuf_alloc_bulk_array(vector->mm, RPCBUF_GFP_NOWAIT, WINDOW_PAGES,
				    vector->pages) != WINDOW_PAGES)
		return NULL;
	arrange(vector);
	return vector;
}

/* The three peers share one vector: only one runs at a time. */
static bool open_vector(struct peer *peer, char why[PEER_WHY])
{
	static struct vector *vector;

	if (!vector)
		vector = make_vector(why);
	peer->pool[0] = peer->pool[1] = vector;
	return vector != NULL;
}

#define WINDOW(id, title, text)                                        \
	static const struct work_ops id##_ops = {.cycle = cycle_##id}; \
	struct peer peer_window_##id = {                               \
		.name = title,                                         \
		.about = text,                                         \
		.ops = &id##_ops,                                      \
		.open = open_vector,                                   \
		.cases = CASE_BIT(WINDOW),                             \
	}

WINDOW(window, "window", "rpcbuf_window_map, one pass over the bytes, unmap");
WINDOW(kept, "window-kept", "one pass over a cached window");
WINDOW(copy, "window-copy", "a copy of the pages, one pass over it");
