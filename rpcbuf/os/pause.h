/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Named points at which a test can hold a thread: debug and sanitizer builds
 * only, elsewhere they are nothing.
 *
 * RPCBUF_PAUSE in the environment names a folder.  The first thread that comes
 * to the point NAME while the folder has a file of that name renames it to
 * NAME.here and goes on when that is gone, or after a minute.  So the test makes
 * the file, waits for the other one, does what it wants to have happened there
 * and removes that.
 *
 * A point stands where no lock is held.
 */
#ifndef RPCBUF_OS_PAUSE_H
#define RPCBUF_OS_PAUSE_H

#include "rpcbuf/os/assert.h"

#if RPCBUF_DEBUG
/* Any thread; may wait.  errno is kept. */
void os_pause_at(const char *point);
#else
static inline void os_pause_at(const char *point)
{
	(void)point;
}
#endif

#endif /* RPCBUF_OS_PAUSE_H */
