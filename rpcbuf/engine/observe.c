/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the probes are told about calls, and what has to be read for that: only
 * while somebody looks on.  The owner of the loop, but for observe_replied():
 * any thread, as long as the call is not done.
 */
#include <arpa/inet.h>

#include "rpcbuf/engine/engine_private.h"

/* The words at the start of a call (RFC 5531, section 9). */
enum {
	WORD_XID,
	WORD_PROGRAM = 3,
	WORD_VERSION,
	WORD_PROCEDURE,
	NR_WORDS,
};

/* Zeros behind the end of a message that is shorter. */
static void read_words(const struct rpcbuf_call *call, uint32_t *words)
{
	struct rpcbuf_cursor cursor;

	rpcbuf_cursor_init(&cursor, &call->message);
	for (unsigned int i = 0; i < NR_WORDS; i++) {
		uint32_t word = 0;

		if (rpcbuf_cursor_read(&cursor, &word, sizeof(word)))
			word = 0;
		words[i] = ntohl(word);
	}
}

void observe_begin(const struct rpcbuf_conn *conn)
{
	probe_request_begin(conn, conn->fd, conn->part->client->key,
			    rpcbuf_stream_bytes(&conn->stream));
}

void observe_received(const struct rpcbuf_conn *conn,
		      const struct rpcbuf_call *call)
{
	const struct rpcbuf_message *message = &call->message;
	uint32_t words[NR_WORDS];

	read_words(call, words);
	probe_request_received(call, conn, conn->part->client->key,
			       words[WORD_XID], message->length,
			       message->nr_pages);
}

void observe_dispatched(const struct rpcbuf_call *call)
{
	uint32_t words[NR_WORDS];

	read_words(call, words);
	probe_request_dispatched(call, call->conn, words[WORD_XID],
				 words[WORD_PROGRAM], words[WORD_VERSION],
				 words[WORD_PROCEDURE]);
}

void observe_replied(const struct rpcbuf_call *call)
{
	uint32_t words[NR_WORDS];

	read_words(call, words);
	probe_request_replied(call, call->conn, words[WORD_XID],
			      call->message.nr_pages, call->reply_bytes,
			      call->bytes_copied);
}
