/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "figure.h"

const struct case_info case_infos[NR_CASES] = {
	[CASE_SAME] = {.name = "same",
		       .about = "one thread fills n pages, then releases them",
		       .sizes = {1, 16, 64, 256}},
	[CASE_CROSS] = {.name = "cross",
			.about = "one thread fills, another releases",
			.sizes = {64, 256}},
	[CASE_PAIR] = {.name = "pair",
		       .about = "two threads on two CPUs at once, each for "
				"itself",
		       .sizes = {1, 16, 64, 256}},
	[CASE_TOUCH] = {.name = "touch",
			.about = "a cache line of each page is written in "
				 "between",
			.sizes = {1, 16, 64, 256}},
	[CASE_REPLAY] = {.name = "replay",
			 .about = "a mix of requests, one after the other",
			 .mixed = true},
	[CASE_FACES] = {.name = "faces",
			.about = "array, list and callback side by side",
			.sizes = {10, 15, 64, 128}},
	[CASE_POOL] = {.name = "pool",
		       .about =
			       "a page pool, refilled by bulk and page by page",
		       .sizes = {1, 64}},
	[CASE_WINDOW] = {.name = "window",
			 .about = "a vector made contiguous and read once",
			 .sizes = {32, 256, 4096, 16384}},
};
