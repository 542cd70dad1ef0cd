/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * table.h - tables of functions in loaded objects.
 */
#ifndef RPCBUF_OS_TABLE_H
#define RPCBUF_OS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether [table, table + len) lies in an object's data that may be written to
 * for as long as it is loaded: it is not const, nor so since relocation.  By the
 * objects' headers; any thread. */
bool os_table_is_writable(const void *table, size_t len);

#endif /* RPCBUF_OS_TABLE_H */
