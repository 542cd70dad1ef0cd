/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Nodes of memory.  Numbers here are dense, from 0; the system's own may have
 * gaps.  One node where the system has one, or does not tell.
 */
#ifndef RPCBUF_OS_NUMA_H
#define RPCBUF_OS_NUMA_H

#include <stddef.h>

#define OS_NODES_MAX 64u

/* How many there are, OS_NODES_MAX at most; does not change. */
unsigned int os_node_count(void);

/* The node of a CPU; 0 when unknown. */
unsigned int os_node_of_cpu(unsigned int cpu);

/* How far the first @nr nodes are from @node, in the units of the firmware: 10
 * is the node itself.  All 0 when unknown. */
void os_node_distances(unsigned int node, unsigned int nr,
		       unsigned int *distances);

/* Asks that the memory be committed from a node while that has any.  A kernel
 * or a sandbox without such a call is no error: memory comes from anywhere. */
void os_prefer_node(void *address, size_t length, unsigned int node);

#endif /* RPCBUF_OS_NUMA_H */
