/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Nodes, as sysfs and mbind(2) know them.  Preferred, not bound: short of
 * memory on one node the kernel takes from another instead of killing us.
 */
#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rpcbuf/os/numa.h>

#define SYSTEM_NODES 1024u /* numbers that the system may use */

static int exists(const char *format, unsigned int a, unsigned int b)
{
	char path[96];

	snprintf(path, sizeof(path), format, a, b);
	return access(path, F_OK) == 0;
}

static int is_node(unsigned int id)
{
	return exists("/sys/devices/system/node/node%u", id, 0);
}

/* The system's number of our node @node, or SYSTEM_NODES. */
static unsigned int system_node(unsigned int node)
{
	unsigned int id, seen = 0;

	for (id = 0; id < SYSTEM_NODES; id++)
		if (is_node(id) && seen++ == node)
			break;
	return id;
}

unsigned int os_node_count(void)
{
	unsigned int id, count = 0;

	for (id = 0; id < SYSTEM_NODES && count < OS_NODES_MAX; id++)
		count += (unsigned int)is_node(id);
	return count ? count : 1;
}

unsigned int os_node_of_cpu(unsigned int cpu)
{
	unsigned int id, seen = 0;

	for (id = 0; id < SYSTEM_NODES && seen < OS_NODES_MAX; id++) {
		if (!is_node(id))
			continue;
		if (exists("/sys/devices/system/cpu/cpu%u/node%u", cpu, id))
			return seen;
		seen++;
	}
	return 0;
}

/* The kernel lists them in the order of its numbers, as we count. */
void os_node_distances(unsigned int node, unsigned int nr,
		       unsigned int *distances)
{
	char path[96];
	unsigned int i;
	FILE *file;

	for (i = 0; i < nr; i++)
		distances[i] = 0;
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/distance",
		 system_node(node));
	file = fopen(path, "re");
	if (!file)
		return;
	for (i = 0; i < nr && fscanf(file, "%u", &distances[i]) == 1; i++)
		;
	fclose(file);
	/* Half a list is none. */
	while (i && i < nr)
		distances[--i] = 0;
}

void os_prefer_node(void *address, size_t length, unsigned int node)
{
	unsigned long mask[SYSTEM_NODES / (8 * sizeof(long))] = {0};
	unsigned int id = system_node(node);

	if (id == SYSTEM_NODES)
		return;
	mask[id / (8 * sizeof(long))] |= 1ul << id % (8 * sizeof(long));
	syscall(SYS_mbind, address, length, MPOL_PREFERRED, mask,
		(unsigned long)SYSTEM_NODES, 0);
}
