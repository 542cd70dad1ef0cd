/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sample.h - the counters of a server as its statistics file has them.
 *
 * A file may come from an older or a newer plug-in: counters are looked up by
 * name, and which there are is for the caller to find out.  Only the first
 * lines and the histogram, which comes last, must be there: they tell a
 * statistics file from others, and a whole one from its beginning.
 */
#ifndef RPCBUF_STAT_SAMPLE_H
#define RPCBUF_STAT_SAMPLE_H

#include <rpcbuf/engine.h>
#include <sys/types.h>
#include <time.h>

#include "fault.h"

#define SAMPLE_TEXT_MAX	    32768
#define SAMPLE_COUNTERS_MAX 256
#define SAMPLE_NAME_MAX	    40

struct sample_counter {
	char name[SAMPLE_NAME_MAX];
	uint64_t value;
};

struct sample {
	char text[SAMPLE_TEXT_MAX + 1]; /* the file */
	struct timespec written;
	char engine[SAMPLE_NAME_MAX];
	pid_t pid; /* as its process sees itself */
	unsigned int nr_counters;
	struct sample_counter counters[SAMPLE_COUNTERS_MAX];
	uint64_t hist_pages[RPCBUF_HIST_PAGES];
};

/* Returns STAT_OK, or the status in @fault with @sample undefined. */
int sample_read(const char *path, struct sample *sample, struct fault *fault);

bool sample_has(const struct sample *sample, const char *name);

/* 0 for a counter that is not there. */
uint64_t sample_get(const struct sample *sample, const char *name);

#endif
