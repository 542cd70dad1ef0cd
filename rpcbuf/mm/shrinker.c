/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Users that can release some of their pages, and asking them to. */
#include <errno.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/maintain.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>

uint64_t shrinkers_run(struct rpcbuf *mm, uint64_t nr)
{
	struct hook_list *list = &mm->maintain.shrinkers;
	struct rpcbuf_hook *hook = NULL;
	uint64_t released = 0;

	while ((hook = hook_next(list, hook))) {
		struct rpcbuf_shrinker *shrinker = rpcbuf_container_of(
			hook, struct rpcbuf_shrinker, hook);

		released += shrinker->shrink(shrinker, nr - released);
		if (released >= nr) {
			hook_done(list, hook);
			break;
		}
	}
	return released;
}

int rpcbuf_shrinker_register(struct rpcbuf *mm,
			     struct rpcbuf_shrinker *shrinker)
{
	if (fork_is_child(mm))
		return -EPERM;
	if (!shrinker->shrink)
		return -EINVAL;
	return hook_add(&mm->maintain.shrinkers, &shrinker->hook);
}

int rpcbuf_shrinker_unregister(struct rpcbuf *mm,
			       struct rpcbuf_shrinker *shrinker)
{
	if (fork_is_child(mm))
		return -EPERM;
	return hook_del(&mm->maintain.shrinkers, &shrinker->hook);
}

/* Reports free blocks, of all nodes, until @bytes went back. */
static uint64_t report_free(struct rpcbuf *mm, uint64_t bytes)
{
	uint64_t given = 0, before = report_moment(mm, 0);
	unsigned int node;

	for (node = 0; node < mm->nr_nodes; node++)
		while (given * RPCBUF_REPORT_SIZE < bytes &&
		       report_batch(mm, node, before, &given))
			;
	return given * RPCBUF_REPORT_SIZE;
}

/* The same from blocks that have other pages. */
static uint64_t report_rest(struct rpcbuf *mm, uint64_t bytes)
{
	uint64_t given = 0;
	unsigned int node;

	for (node = 0; node < mm->nr_nodes; node++) {
		uint32_t number = 0;

		while (given < bytes && report_mixed(mm, node, &number, &given))
			;
	}
	return given;
}

uint64_t rpcbuf_reclaim(struct rpcbuf *mm, uint64_t bytes)
{
	uint64_t given;

	if (fork_is_child(mm))
		return 0;
	given = report_free(mm, bytes);
	if (given >= bytes)
		return given;
	shrinkers_run(mm, (bytes - given) >> RPCBUF_PAGE_SHIFT);
	node_flush(mm);
	pcp_drain_all(mm);
	given += report_free(mm, bytes - given);
	return given < bytes ? given + report_rest(mm, bytes - given) : given;
}
