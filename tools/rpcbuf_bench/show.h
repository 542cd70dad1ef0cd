/* SPDX-License-Identifier: LGPL-3.0-or-later */
#ifndef BENCH_SHOW_H
#define BENCH_SHOW_H

#include "figure.h"

/* Prints a table for each case, with its goals below. */
void show(const struct bench *bench);

/* Writes the same as JSON.  Returns false, with a message on standard error,
 * when the file cannot be written. */
bool show_json(const struct bench *bench, const char *path);

#endif /* BENCH_SHOW_H */
