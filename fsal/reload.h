/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * reload.h - the RPCBUF block of a server that runs.
 *
 * Ganesha shows a configuration to a module once, when it loads it.  After that
 * a module sees the blocks of its exports alone; from one of these the whole
 * file is found, so what its RPCBUF block says takes effect, or a line in the
 * log says which parameter does not and what stays in force.
 *
 * Threads: the one that reads a configuration; Ganesha may have two, one for
 * the message bus and one for signals.
 */
#ifndef FSAL_RPCBUF_RELOAD_H
#define FSAL_RPCBUF_RELOAD_H

#include "config.h"

/* The file that the block @node is in, with all that it includes. */
config_file_t rpcbuf_file_of(void *node);

/*
 * rpcbuf_configure - read the block for the first time, and start with it.
 *
 * When the server runs and @file has none, the server's own file is read.
 * Returns 0, as well when it has been done before; or -errno, with the reason
 * in @err_type and the log: it can be tried again.
 */
int rpcbuf_configure(config_file_t file, struct config_error_type *err_type);

/*
 * rpcbuf_reconfigure - read it again, from a file that was changed.
 *
 * Each reading of a file counts once, however many exports it has.  Returns 0,
 * or -EINVAL when the block is not valid: all that was in force stays, and
 * @err_type has the reason, for the first of them.
 */
int rpcbuf_reconfigure(config_file_t file, struct config_error_type *err_type);

/* The same for the update of an export, which must not fail with the block:
 * what is wrong with it goes to the log alone. */
void rpcbuf_reconfigure_apart(config_file_t file);

#endif
