/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * nfs.h - `rpcbuf-bench nfs', which is a program of its own.
 */
#ifndef RPCBUF_BENCH_NFS_H
#define RPCBUF_BENCH_NFS_H

/* Replaces this program, with the arguments that follow `nfs'; NULL ends them.
 * Returns only when that failed, and has said why. */
void nfs_replace(char **arguments);

#endif
