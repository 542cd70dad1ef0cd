/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Arguments of the call probes; read only while a probe is attached.  The owner
 * of the loop, except for observe_reply() and observe_replied(): any thread,
 * until the call is done.
 */
#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/rqst/peek.h"

void observe_begin(const struct rpcbuf_conn *conn)
{
	probe_request_begin(conn, conn->fd, conn->part->client->key,
			    rpcbuf_stream_bytes(&conn->intake.stream));
}

void observe_received(const struct rpcbuf_conn *conn,
		      const struct rpcbuf_call *call)
{
	const struct rpcbuf_message *message = &call->message;
	struct peek head;

	peek_head(&head, message);
	probe_request_received(call, conn, conn->part->client->key, head.xid,
			       message->length, message->nr_pages);
}

void observe_dispatched(const struct rpcbuf_call *call)
{
	struct peek head;

	peek_head(&head, &call->message);
	probe_request_dispatched(call, call->conn, head.xid, head.program,
				 head.version, head.procedure);
}

void observe_reply(const struct rpcbuf_call *call, uint64_t bytes,
		   uint32_t pages, uint32_t reserved)
{
	struct peek head;

	peek_head(&head, &call->message);
	probe_reply(call, call->conn, head.xid, bytes, pages, reserved);
}

void observe_replied(const struct rpcbuf_call *call)
{
	struct peek head;

	peek_head(&head, &call->message);
	probe_request_replied(call, call->conn, head.xid,
			      call->message.nr_pages, call->reply_bytes,
			      call->bytes_copied);
}
