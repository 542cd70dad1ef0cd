/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * process.h - what /proc tells about a process.
 */
#ifndef RPCBUF_COMMON_PROCESS_H
#define RPCBUF_COMMON_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Does @pid run? */
bool process_runs(pid_t pid);

/* The program, such as "ganesha.nfsd"; "process" where it cannot be known. */
void process_name(pid_t pid, char *name, size_t len);

/* The command line, arguments separated by blanks. */
void process_command(pid_t pid, char *command, size_t len);

/* The id that @pid has in the innermost PID namespace: what it calls itself. */
pid_t process_inner_pid(pid_t pid);

/* The inode of the PID namespace of @pid, or 0: it cannot be known from here.
 * With the inner id it tells processes apart, wherever they run. */
uint64_t process_pid_space(pid_t pid);

/* The id that the process @inner of the namespace @pid_space has here, or 0: it
 * is not seen from here. */
pid_t process_seen_here(pid_t inner, uint64_t pid_space);

#endif
