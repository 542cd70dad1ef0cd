/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The order in which a node's requests turn to the other nodes. */
#include <rpcbuf/mm/node.h>

void node_order(uint8_t *order, unsigned int nr, unsigned int node,
		const unsigned int *distances)
{
	unsigned int i, at;

	order[0] = (uint8_t)node;
	for (i = 1; i < nr; i++) {
		unsigned int next = (node + i) % nr;

		/* Nodes as far as one another stay in the order of their
		 * numbers, from the next one on: so that not all turn to
		 * the first. */
		for (at = i;
		     at > 1 && distances[order[at - 1]] > distances[next]; at--)
			order[at] = order[at - 1];
		order[at] = (uint8_t)next;
	}
}
