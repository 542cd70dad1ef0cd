/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Checks a client's counters and queues against its connections.  For debug
 * builds and tests.
 */
#include "rpcbuf/engine/client.h"

#include "rpcbuf/engine/engine_private.h"

/* Sums over its connections in a loop; and the queues that any of all waits
 * in. */
struct sums {
	unsigned int nr, ready;
	uint32_t partial;
	bool over_quota, page_grant, heap_grant;
};

static void sum_conns(struct sums *sums, const struct client_part *part,
		struct list_head *conns)
{
	struct rpcbuf_conn *conn, *tmp;

	list_for_each_entry_safe (conn, tmp, conns, struct rpcbuf_conn,
				  member.link) {
		if (conn->part != part)
			continue;
		sums->nr++;
		sums->ready += conn->reception.state == RECEPTION_READY;
		sums->partial += conn->admit.quota.partial;
		sums->over_quota |= conn->admit.quota.over_quota_grant.waiting;
		sums->page_grant |= conn->admit.page_grant.waiting;
		sums->heap_grant |= conn->admit.heap_grant.waiting;
	}
}

static const char *part_is_valid(struct loop *loop,
				 const struct client_part *part,
				 struct sums *sums)
{
	sums->nr = sums->ready = sums->partial = 0;
	sum_conns(sums, part, &loop->conns.all);
	sum_conns(sums, part, &loop->conns.in_scan);
	if (sums->nr != part->nr_conns)
		return "its connections in a loop are counted wrongly";
	if (sums->partial != part->partial)
		return "its pages of partial records are counted wrongly";
	if (!sums->ready != list_empty(&part->fair.ready))
		return "the list of its ready connections is wrong";
	if (!sums->ready != list_empty(&part->fair.link))
		return "it is served though none is ready, or the reverse";
	return NULL;
}

static bool queue_is_valid(const struct rota_client *queue, bool waits)
{
	return list_empty(&queue->waiting) == !waits &&
	       list_empty(&queue->link) == !waits;
}

const char *client_is_valid(struct rpcbuf_engine *engine,
			    const struct client *client)
{
	struct sums sums = {0};
	unsigned int nr = 0;

	for (unsigned int i = 0; i < engine_all_loops(engine); i++) {
		const char *wrong = part_is_valid(
			&engine->loops[i], &client->parts[i], &sums);

		if (wrong)
			return wrong;
		nr += sums.nr;
	}
	/* A connection that is being adopted is counted already. */
	if (nr > client->nr_conns)
		return "it has more connections than are counted";
	if (!queue_is_valid(&client->admit.over_quota_waiters, sums.over_quota))
		return "the queue of the over-quota grant is wrong";
	if (!queue_is_valid(&client->admit.page_waiters, sums.page_grant))
		return "the queue of the page grant is wrong";
	if (!queue_is_valid(&client->admit.heap_waiters, sums.heap_grant))
		return "the queue of the heap grant is wrong";
	return NULL;
}
