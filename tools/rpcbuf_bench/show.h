/* SPDX-License-Identifier: LGPL-3.0-or-later */
#ifndef BENCH_SHOW_H
#define BENCH_SHOW_H

#include "figure.h"

/* The figures as tables, one for each case, with their goals below. */
void show(const struct bench *bench);

/* The same as JSON.  False when the file cannot be written, which is said on
 * standard error. */
bool show_json(const struct bench *bench, const char *path);

#endif /* BENCH_SHOW_H */
