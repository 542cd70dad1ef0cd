/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * format.h - numbers for people.  Each function writes to its array argument
 * and returns it.
 */
#ifndef RPCBUF_COMMON_FORMAT_H
#define RPCBUF_COMMON_FORMAT_H

#include <stdint.h>

/* 20 digits and 6 separators. */
#define FORMAT_GROUPED	     27
#define FORMAT_GROUPED_WIDTH 17
#define FORMAT_SHORT	     16

/* 1,234,567 */
const char *format_grouped(char out[FORMAT_GROUPED], uint64_t value);

/* 1234; or 1235k or 12M where that would be longer than @width characters. */
const char *format_count(char out[FORMAT_SHORT], uint64_t value, int width);

/* A rate, with three digits at least: 1.23, 12.3, 123, 1234. */
const char *format_rate(char out[FORMAT_SHORT], double value, int width);

/* 64.0 MiB */
const char *format_bytes(char out[FORMAT_SHORT], uint64_t bytes);

/* 1.5 ms */
const char *format_ns(char out[FORMAT_SHORT], uint64_t ns);

#endif
