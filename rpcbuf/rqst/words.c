/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/rqst/words.h"

static void open_span(struct words *words)
{
	words->start = rpcbuf_cursor_window(&words->cursor, &words->left);
	words->at = words->start;
}

/* Moves the cursor to where the reader is: false where there is none. */
static bool close_span(struct words *words)
{
	if (!words->cursor.message)
		return false;
	(void)rpcbuf_cursor_skip(&words->cursor,
				 (size_t)(words->at - words->start));
	words->start = words->at;
	return true;
}

void words_of_message(struct words *words, const struct rpcbuf_message *message)
{
	rpcbuf_cursor_init(&words->cursor, message);
	open_span(words);
}

void words_of_bytes(struct words *words, const void *bytes, size_t size)
{
	*words = (struct words){.at = bytes, .left = size};
}

bool words_read_on(struct words *words, void *to, size_t len)
{
	if (!close_span(words) || rpcbuf_cursor_read(&words->cursor, to, len))
		return false;
	open_span(words);
	return true;
}

bool words_skip_on(struct words *words, size_t len)
{
	if (!close_span(words) || rpcbuf_cursor_skip(&words->cursor, len))
		return false;
	open_span(words);
	return true;
}

bool words_take_head(struct words *words, struct words_head *head)
{
	/* The version of RPC, and what it is for. */
	uint32_t call[4];

	memset(head, 0, sizeof(*head));
	if (!words_take(words, &head->xid) ||
	    !words_take(words, &head->direction) || head->direction ||
	    !words_read(words, call, sizeof(call)))
		return false;
	head->program = be32toh(call[1]);
	head->version = be32toh(call[2]);
	head->procedure = be32toh(call[3]);
	return true;
}
