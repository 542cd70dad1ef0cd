/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * process.h - facts about a process, from /proc.
 */
#ifndef RPCBUF_COMMON_PROCESS_H
#define RPCBUF_COMMON_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* True while @pid exists. */
bool process_runs(pid_t pid);

/* Name of the program, such as "ganesha.nfsd"; "process" when unknown. */
void process_name(pid_t pid, char *name, size_t len);

/* The command line, arguments separated by blanks. */
void process_command(pid_t pid, char *command, size_t len);

/* Id of @pid in its innermost PID namespace, as its own getpid() returns it. */
pid_t process_inner_pid(pid_t pid);

/* Inode of the PID namespace of @pid; 0: unknown.  Together with the inner id
 * it identifies a process in any container. */
uint64_t process_pid_space(pid_t pid);

/* Id in this tool's namespace of the process @inner of the namespace
 * @pid_space; 0: not visible. */
pid_t process_seen_here(pid_t inner, uint64_t pid_space);

#endif
