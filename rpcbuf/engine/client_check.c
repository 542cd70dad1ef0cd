/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Does a client have what its connections add up to, and does it stand in the
 * queues that one of them waits in?  For debug builds and tests.
 */
#include "rpcbuf/engine/client.h"

#include "rpcbuf/engine/engine_private.h"

/* Of its connections in a loop; and of all, in which queues they wait. */
struct sums {
	unsigned int nr, ready;
	uint32_t held;
	bool beyond, pages, heap;
};

static void add(struct sums *sums, const struct client_part *part,
		struct list_head *conns)
{
	struct rpcbuf_conn *conn, *tmp;

	list_for_each_entry_safe (conn, tmp, conns, struct rpcbuf_conn,
				  member.link) {
		if (conn->part != part)
			continue;
		sums->nr++;
		sums->ready += conn->reception.state == RECEPTION_READY;
		sums->held += conn->admit.quota.held;
		sums->beyond |= conn->admit.quota.beyond.waiting;
		sums->pages |= conn->admit.pages.waiting;
		sums->heap |= conn->admit.heap.waiting;
	}
}

static const char *part_is_valid(struct loop *loop,
				 const struct client_part *part,
				 struct sums *sums)
{
	sums->nr = sums->ready = sums->held = 0;
	add(sums, part, &loop->conns.all);
	add(sums, part, &loop->conns.looked_at);
	if (sums->nr != part->nr_conns)
		return "its connections in a loop are not as many";
	if (sums->held != part->held)
		return "its connections do not hold what is counted";
	if (!sums->ready != list_empty(&part->fair.ready))
		return "the list of its ready connections is not those";
	if (!sums->ready != list_empty(&part->fair.link))
		return "it takes turns while none is ready, or does not";
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
	/* One that is being adopted is counted already. */
	if (nr > client->nr_conns)
		return "it has more connections than are counted";
	if (!queue_is_valid(&client->admit.beyond, sums.beyond))
		return "it is in the queue for more than its share, or is not";
	if (!queue_is_valid(&client->admit.pages, sums.pages))
		return "it is in the queue for pages, or is not";
	if (!queue_is_valid(&client->admit.heap, sums.heap))
		return "it is in the queue for heap, or is not";
	return NULL;
}
