/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The measured loops: fill arrays with pages, and release them.
 *
 * Each peer compiles its own copy of the loops with its two functions inlined.
 * So a peer with inline functions pays for no call, and no peer pays for a call
 * through a pointer.  A compiler barrier stands between fill and release.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORK_INLINE static inline __attribute__((always_inline))
#define WORK_PAGE   4096u
#define WORK_LINE   64u

_Static_assert(WORK_PAGE / WORK_LINE == 64, "work_line() gives six bits");

struct work {
	void *pool;	      /* argument of the peer's fill and release */
	void **pages;	      /* NULL before and after a cycle */
	unsigned int nr;      /* pages per fill */
	unsigned int arrays;  /* fill, release: arrays of @nr, back to back */
	unsigned long rounds; /* cycle, touch, replay: repetitions */
	const unsigned int *mix; /* replay: sizes of its fills */
	unsigned int nr_mix;
};

/* False: a fill returned too few pages. */
typedef bool (*work_fn)(const struct work *work);

struct work_ops {
	work_fn cycle;	 /* fill, release */
	work_fn touch;	 /* fill, write a cache line per page, release */
	work_fn replay;	 /* a cycle for each size of the mix */
	work_fn fill;	 /* fill the arrays only */
	work_fn release; /* release the arrays only */
};

typedef bool (*work_fill_fn)(void *pool, void **pages, unsigned int nr);
typedef void (*work_release_fn)(void *pool, void **pages, unsigned int nr);

#define work_forget() __asm__ volatile("" ::: "memory")

WORK_INLINE bool work_one(void *pool, void **pages, unsigned int nr,
			  work_fill_fn fill, work_release_fn release)
{
	if (!fill(pool, pages, nr))
		return false;
	work_forget();
	release(pool, pages, nr);
	work_forget();
	return true;
}

WORK_INLINE bool work_cycle(const struct work *w, work_fill_fn fill,
			    work_release_fn release)
{
	void *pool = w->pool, **pages = w->pages;
	unsigned long rounds = w->rounds;
	unsigned int nr = w->nr;

	while (rounds--)
		if (!work_one(pool, pages, nr, fill, release))
			return false;
	return true;
}

/* Cache line to write in page @i: a hash of @i, because with a regular stride
 * the lines of some pools' pages would all fall into one set of the cache. */
WORK_INLINE unsigned int work_line(unsigned int i)
{
	return i * 2654435761u >> 26;
}

WORK_INLINE bool work_touch(const struct work *w, work_fill_fn fill,
			    work_release_fn release)
{
	unsigned long rounds = w->rounds;
	unsigned int i;

	while (rounds--) {
		if (!fill(w->pool, w->pages, w->nr))
			return false;
		for (i = 0; i < w->nr; i++) {
			uintptr_t at = (uintptr_t)w->pages[i] +
				       work_line(i) * WORK_LINE;

			*(volatile uint64_t *)at = i;
		}
		work_forget();
		release(w->pool, w->pages, w->nr);
		work_forget();
	}
	return true;
}

WORK_INLINE bool work_replay(const struct work *w, work_fill_fn fill,
			     work_release_fn release)
{
	unsigned long rounds = w->rounds;
	unsigned int i;

	while (rounds--)
		for (i = 0; i < w->nr_mix; i++)
			if (!work_one(w->pool, w->pages, w->mix[i], fill,
				      release))
				return false;
	return true;
}

WORK_INLINE bool work_fill(const struct work *w, work_fill_fn fill)
{
	unsigned int i;

	for (i = 0; i < w->arrays; i++)
		if (!fill(w->pool, w->pages + (size_t)i * w->nr, w->nr))
			return false;
	work_forget();
	return true;
}

WORK_INLINE bool work_release(const struct work *w, work_release_fn release)
{
	unsigned int i;

	for (i = 0; i < w->arrays; i++)
		release(w->pool, w->pages + (size_t)i * w->nr, w->nr);
	work_forget();
	return true;
}

/* Defines `const struct work_ops NAME_ops` from NAME_fill() and
 * NAME_release(). */
#define WORK_DEFINE(name)                                           \
	static bool name##_cycle(const struct work *w)              \
	{                                                           \
		return work_cycle(w, name##_fill, name##_release);  \
	}                                                           \
	static bool name##_touch(const struct work *w)              \
	{                                                           \
		return work_touch(w, name##_fill, name##_release);  \
	}                                                           \
	static bool name##_replay(const struct work *w)             \
	{                                                           \
		return work_replay(w, name##_fill, name##_release); \
	}                                                           \
	static bool name##_fill_arrays(const struct work *w)        \
	{                                                           \
		return work_fill(w, name##_fill);                   \
	}                                                           \
	static bool name##_release_arrays(const struct work *w)     \
	{                                                           \
		return work_release(w, name##_release);             \
	}                                                           \
	static const struct work_ops name##_ops = {                 \
		.cycle = name##_cycle,                              \
		.touch = name##_touch,                              \
		.replay = name##_replay,                            \
		.fill = name##_fill_arrays,                         \
		.release = name##_release_arrays,                   \
	}

#endif /* BENCH_WORK_H */
