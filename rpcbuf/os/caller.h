/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Where a call came from, for the records of debug builds. */
#ifndef RPCBUF_OS_CALLER_H
#define RPCBUF_OS_CALLER_H

#define OS_CALLERS 4

/*
 * Return addresses, innermost first, beginning with that into the caller's
 * caller; NULL behind the last.  Some microseconds.  The first call in a
 * process may allocate memory; the others may be made by signal handlers.
 */
void os_callers(void *callers[OS_CALLERS]);

#endif /* RPCBUF_OS_CALLER_H */
