/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Locks: `by_fd` has one for each of its buckets, for its list alone.  The
 * queue's mutex is ntirpc's; nothing is called under it.
 */
#include <errno.h>
#include <rpc/xdr_ioq.h>
#include <stdlib.h>

#include "encode.h"
#include "rpcbuf/os/assert.h"
#include "rpcbuf/os/pause.h"
#include "wire.h"

#define BUCKETS 256u

static struct bucket {
	pthread_mutex_t lock;
	struct list_head wires;
} by_fd[BUCKETS];

static const struct facts *facts;

void wire_start(const struct facts *found)
{
	facts = found;
	for (unsigned int i = 0; i < BUCKETS; i++) {
		pthread_mutex_init(&by_fd[i].lock, NULL);
		list_init(&by_fd[i].wires);
	}
}

static struct bucket *bucket_of(int fd)
{
	return &by_fd[(unsigned int)fd % BUCKETS];
}

static struct poolq_head *queue_of(const struct wire *wire)
{
	return facts_queue(facts, wire->xprt);
}

static void join(struct wire *wire)
{
	struct bucket *bucket = bucket_of(wire->xprt->xp_fd);

	pthread_mutex_lock(&bucket->lock);
	list_add_tail(&wire->link, &bucket->wires);
	pthread_mutex_unlock(&bucket->lock);
}

static void leave(struct wire *wire)
{
	struct bucket *bucket = bucket_of(wire->xprt->xp_fd);

	pthread_mutex_lock(&bucket->lock);
	list_del(&wire->link);
	pthread_mutex_unlock(&bucket->lock);
}

int wire_claim(SVCXPRT *xprt)
{
	struct wire *wire, *none = NULL;

	if (wire_of(xprt))
		return -EEXIST;
	wire = calloc(1, sizeof(*wire));
	if (!wire)
		return -ENOMEM;
	wire->xprt = xprt;
	join(wire);
	if (!__atomic_compare_exchange_n((struct wire **)&xprt->xp_p1, &none,
					 wire, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		leave(wire);
		free(wire);
		return -EEXIST;
	}
	wire_hold(wire);
	return 0;
}

void wire_hold(struct wire *wire)
{
	struct poolq_head *queue = queue_of(wire);

	pthread_mutex_lock(&queue->qmutex);
	if (!wire->holds && !TAILQ_FIRST(&queue->qh)) {
		TAILQ_INSERT_TAIL(&queue->qh, &wire->token, q);
		wire->holds = true;
	}
	pthread_mutex_unlock(&queue->qmutex);
}

/* The first behind the token, taken out; NULL, and another thread may collect,
 * when there is none. */
static struct xdr_ioq *take(struct wire *wire)
{
	struct poolq_head *queue = queue_of(wire);
	struct poolq_entry *entry;

	pthread_mutex_lock(&queue->qmutex);
	entry = TAILQ_NEXT(&wire->token, q);
	if (entry)
		TAILQ_REMOVE(&queue->qh, entry, q);
	else
		wire->collects = false;
	pthread_mutex_unlock(&queue->qmutex);
	return entry ? _IOQ(entry) : NULL;
}

/* Each has a reference on its transport. */
static void release(void *arg)
{
	struct xdr_ioq *xioq = arg;
	SVCXPRT *xprt = xioq->xdrs[0].x_lib[1];

	XDR_DESTROY(xioq->xdrs);
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

static void pass_on(struct wire *wire, struct xdr_ioq *xioq, bool lives)
{
	struct rpcbuf_conn *conn =
		__atomic_load_n(&wire->conn, __ATOMIC_ACQUIRE);
	struct rpcbuf_reply *reply;

	if (!lives || !conn) {
		release(xioq);
	} else if (encode_foreign(xioq, release, &reply)) {
		/* The peer would wait for it in vain. */
		release(xioq);
		if (!__atomic_exchange_n(&wire->dropped, true,
					 __ATOMIC_ACQ_REL))
			rpcbuf_conn_drop(conn);
	} else {
		(void)rpcbuf_conn_send(conn, reply);
	}
}

/* While a connection is being adopted, what is queued waits for that. */
static bool is_settled(const struct wire *wire)
{
	return __atomic_load_n(&wire->conn, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&wire->dropped, __ATOMIC_ACQUIRE);
}

/* Who comes while another thread collects leaves it to that: it looks again. */
void wire_collect(struct wire *wire, bool lives)
{
	struct poolq_head *queue = queue_of(wire);
	struct xdr_ioq *xioq;
	bool mine;

	pthread_mutex_lock(&queue->qmutex);
	mine = wire->holds && !wire->collects && (!lives || is_settled(wire));
	if (mine)
		wire->collects = true;
	pthread_mutex_unlock(&queue->qmutex);
	if (mine)
		os_pause_at("collecting");
	while (mine && (xioq = take(wire)))
		pass_on(wire, xioq, lives);
	os_pause_at("collected");
}

struct wire *wire_by_fd(int fd)
{
	struct bucket *bucket = bucket_of(fd);
	struct wire *wire, *tmp, *found = NULL;

	pthread_mutex_lock(&bucket->lock);
	list_for_each_entry_safe(wire, tmp, &bucket->wires, struct wire,
				 link) if (wire->xprt->xp_fd == fd)
		found = wire;
	pthread_mutex_unlock(&bucket->lock);
	return found;
}

void wire_free(SVCXPRT *xprt)
{
	struct wire *wire = wire_of(xprt);

	if (!wire)
		return;
	/* What is behind the token has a reference, as who collects. */
	rpcbuf_assert_debug(!wire->collects && !TAILQ_NEXT(&wire->token, q));
	leave(wire);
	if (wire->conn)
		rpcbuf_conn_put(wire->conn);
	free(wire);
}
