/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "peers.h"

static struct peer *const known[] = {
	&peer_rpcbuf,	     &peer_list,	&peer_callback,
	&peer_pool,	     &peer_pool_single, &peer_pool_recycled,
	&peer_window_window, &peer_window_kept, &peer_window_copy,
	&peer_aged,	     &peer_scattered,	&peer_dpdk,
	&peer_tcmalloc,	     &peer_jemalloc,	&peer_mimalloc,
	&peer_glibc,	     &peer_copy,
};
#define NR_KNOWN (sizeof(known) / sizeof(*known))
_Static_assert(NR_KNOWN <= PEERS_MAX, "room for all peers");

static struct peer *find_peer(const char *name, size_t len)
{
	for (size_t i = 0; i < NR_KNOWN; i++)
		if (strlen(known[i]->name) == len &&
		    !strncmp(known[i]->name, name, len))
			return known[i];
	return NULL;
}

/* Sets @wanted[i] for each known[i] in @names. */
static bool parse_names(const char *names, bool wanted[NR_KNOWN])
{
	while (names && *names) {
		size_t len = strcspn(names, ",");
		const struct peer *peer = find_peer(names, len);

		if (!peer) {
			fprintf(stderr,
				"rpcbuf-bench: there is no peer '%.*s'\n",
				(int)len, names);
			return false;
		}
		for (size_t i = 0; i < NR_KNOWN; i++)
			wanted[i] |= known[i] == peer;
		names += len + (names[len] == ',');
	}
	return true;
}

bool peers_open(struct peer_set *set, const char *names)
{
	bool wanted[NR_KNOWN] = {false};
	char why[PEER_WHY];

	if (!parse_names(names, wanted))
		return false;
	set->nr = 0;
	for (size_t i = 0; i < NR_KNOWN; i++) {
		if (names && !wanted[i])
			continue;
		strcpy(why, "it cannot be opened");
		if (known[i]->open(known[i], why))
			set->peers[set->nr++] = known[i];
		else
			fprintf(stderr, "rpcbuf-bench: no %s: %s\n",
				known[i]->name, why);
	}
	return true;
}

bool peers_enter(const struct peer_set *set)
{
	for (unsigned int i = 0; i < set->nr; i++)
		if (set->peers[i]->enter &&
		    !set->peers[i]->enter(set->peers[i]))
			return false;
	return true;
}

void peers_print(void)
{
	for (size_t i = 0; i < NR_KNOWN; i++)
		printf("  %-16s %s\n", known[i]->name, known[i]->about);
}
