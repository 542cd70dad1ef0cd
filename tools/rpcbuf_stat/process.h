/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * process.h - what /proc tells about the process behind a statistics file.
 */
#ifndef RPCBUF_STAT_PROCESS_H
#define RPCBUF_STAT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* Does @pid run?  @since: it wrote something then, so a process that was
 * started later is another one with the same id; NULL for any process. */
bool process_runs(pid_t pid, const struct timespec *since);

/* The program, such as "ganesha.nfsd"; "process" where it cannot be known. */
void process_name(pid_t pid, char *name, size_t len);

/* The command line, arguments separated by blanks. */
void process_command(pid_t pid, char *command, size_t len);

/* The id that @pid has in the innermost PID namespace: what it calls itself. */
pid_t process_inner_pid(pid_t pid);

#endif
