/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * stats_file.h - the counters as a text file, `name value` per line.  Optional:
 * rpcbuf-stat reads the segment.
 *
 * The file is replaced as a whole, so a reader never sees half of one.  Not
 * thread-safe: opened before, written by one thread, closed after it.
 */
#ifndef FSAL_RPCBUF_STATS_FILE_H
#define FSAL_RPCBUF_STATS_FILE_H

#include <rpcbuf/engine.h>

/* @path: NULL, and nothing is written. */
void stats_file_open(const char *path);
void stats_file_write(struct rpcbuf_engine *engine, struct rpcbuf *mm);
/* Writes it once more and sums up in the server's log. */
void stats_file_close(struct rpcbuf_engine *engine, struct rpcbuf *mm);

#endif
