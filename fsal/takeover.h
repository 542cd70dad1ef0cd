/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * takeover.h - taking over the receive side of every TCP transport.
 */
#ifndef FSAL_RPCBUF_TAKEOVER_H
#define FSAL_RPCBUF_TAKEOVER_H

#include "config.h"

/*
 * fsal_rpcbuf_takeover_start - begin to take over.
 *
 * Called once, when the configuration has been read and before the server is
 * up: makes the page allocator, and starts the thread that waits for the
 * server and hooks then.  @cfg stays valid for the life of the process, and
 * unchanged but for its memory.  Returns 0 or -errno; on an error nothing runs.
 */
int fsal_rpcbuf_takeover_start(const struct fsal_rpcbuf_config *cfg);

/*
 * fsal_rpcbuf_takeover_memory - change the page budget to @memory bytes.
 *
 * Growth is there on return; shrinking takes what is free, and the rest as it
 * comes back.  Returns 0; -EINVAL with nothing changed when it cannot be so
 * much, *most says how much it can; or -ESHUTDOWN, and *most is untouched.
 */
int fsal_rpcbuf_takeover_memory(uint64_t memory, uint64_t *most);

/*
 * fsal_rpcbuf_takeover_stop - receive no more, drain, join every thread.
 *
 * Called when the server shuts down, and before the module is unloaded; may be
 * called without a start, and again.  When it returns, no thread of the module
 * runs, unless a call does that has not returned in time, which is logged.
 * What was exchanged in the server stays so: the module must not be unmapped.
 */
void fsal_rpcbuf_takeover_stop(void);

#endif
