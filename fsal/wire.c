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

static struct bucket *fd_bucket(int fd)
{
	return &by_fd[(unsigned int)fd % BUCKETS];
}

static struct poolq_head *queue_of(const struct wire *wire)
{
	return facts_queue(facts, wire->xprt);
}

static void link_wire(struct wire *wire)
{
	struct bucket *bucket = fd_bucket(wire->xprt->xp_fd);

	pthread_mutex_lock(&bucket->lock);
	list_add_tail(&wire->link, &bucket->wires);
	pthread_mutex_unlock(&bucket->lock);
}

static void unlink_wire(struct wire *wire)
{
	struct bucket *bucket = fd_bucket(wire->xprt->xp_fd);

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
	link_wire(wire);
	if (!__atomic_compare_exchange_n((struct wire **)&xprt->xp_p1, &none,
					 wire, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		unlink_wire(wire);
		free(wire);
		return -EEXIST;
	}
	wire_queue_token(wire);
	return 0;
}

void wire_queue_token(struct wire *wire)
{
	struct poolq_head *queue = queue_of(wire);

	pthread_mutex_lock(&queue->qmutex);
	if (!wire->token_queued && !TAILQ_FIRST(&queue->qh)) {
		TAILQ_INSERT_TAIL(&queue->qh, &wire->token, q);
		wire->token_queued = true;
	}
	pthread_mutex_unlock(&queue->qmutex);
}

/* Takes out the entry behind the token.  NULL: there is none, and another thread may
 * collect. */
static struct xdr_ioq *dequeue_behind_token(struct wire *wire)
{
	struct poolq_head *queue = queue_of(wire);
	struct poolq_entry *entry;

	pthread_mutex_lock(&queue->qmutex);
	entry = TAILQ_NEXT(&wire->token, q);
	if (entry)
		TAILQ_REMOVE(&queue->qh, entry, q);
	else
		wire->collecting = false;
	pthread_mutex_unlock(&queue->qmutex);
	return entry ? _IOQ(entry) : NULL;
}

/* Each has a reference on its transport. */
static void free_xioq(void *arg)
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
		free_xioq(xioq);
	} else if (encode_foreign(xioq, free_xioq, &reply)) {
		/* The peer would wait for it in vain. */
		free_xioq(xioq);
		if (!__atomic_exchange_n(&wire->dropped, true,
					 __ATOMIC_ACQ_REL))
			rpcbuf_conn_drop(conn);
	} else {
		(void)rpcbuf_conn_send(conn, reply);
	}
}

/* True when adoption has succeeded or failed; until then entries stay queued. */
static bool is_settled(const struct wire *wire)
{
	return __atomic_load_n(&wire->conn, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&wire->dropped, __ATOMIC_ACQUIRE);
}

/* When another thread is collecting, this is left to it: it checks the queue again. */
void wire_collect(struct wire *wire, bool lives)
{
	struct poolq_head *queue = queue_of(wire);
	struct xdr_ioq *xioq;
	bool mine;

	pthread_mutex_lock(&queue->qmutex);
	mine = wire->token_queued && !wire->collecting &&
	       (!lives || is_settled(wire));
	if (mine)
		wire->collecting = true;
	pthread_mutex_unlock(&queue->qmutex);
	if (mine)
		os_pause_at("collecting");
	while (mine && (xioq = dequeue_behind_token(wire)))
		pass_on(wire, xioq, lives);
	os_pause_at("collected");
}

struct wire *wire_by_fd(int fd)
{
	struct bucket *bucket = fd_bucket(fd);
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
	/* Entries behind the token hold a reference, and so does the collector. */
	rpcbuf_assert_debug(!wire->collecting && !TAILQ_NEXT(&wire->token, q));
	unlink_wire(wire);
	if (wire->conn)
		rpcbuf_conn_put(wire->conn);
	free(wire);
}
