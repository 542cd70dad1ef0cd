/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * nfs.h - starts `rpcbuf-bench nfs', a separate program.
 */
#ifndef RPCBUF_BENCH_NFS_H
#define RPCBUF_BENCH_NFS_H

/* Replaces this program; @arguments: those behind `nfs', ended by NULL.
 * Returns only on failure, after a message. */
void nfs_replace(char **arguments);

#endif
