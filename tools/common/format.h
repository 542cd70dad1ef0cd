/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * format.h - numbers as people read them.  Each writes to the array that it
 * is given and returns it.
 */
#ifndef RPCBUF_COMMON_FORMAT_H
#define RPCBUF_COMMON_FORMAT_H

#include <stdint.h>

/* The longest: 20 digits, 6 separators; what most numbers need. */
#define FORMAT_GROUPED	     27
#define FORMAT_GROUPED_WIDTH 17
#define FORMAT_SHORT	     16

/* 1,234,567 */
const char *format_grouped(char out[FORMAT_GROUPED], uint64_t value);

/* 1234, and 1235k or 12M where that is longer than @width characters. */
const char *format_count(char out[FORMAT_SHORT], uint64_t value, int width);

/* A rate, with as many digits as are worth while. */
const char *format_rate(char out[FORMAT_SHORT], double value, int width);

/* 64.0 MiB */
const char *format_bytes(char out[FORMAT_SHORT], uint64_t bytes);

/* 1.5 ms */
const char *format_ns(char out[FORMAT_SHORT], uint64_t ns);

#endif
