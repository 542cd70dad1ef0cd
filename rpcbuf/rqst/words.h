/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * words.h - reads the words of a message, for looks at it without decoding.
 *
 * What is looked for lies adjacent as a rule, at the beginning of the message:
 * that is read where it lies, and a cursor goes on behind the end of it.  Trusts
 * nothing in there.  One thread at a time.
 */
#ifndef RPCBUF_RQST_WORDS_H
#define RPCBUF_RQST_WORDS_H

#include <endian.h>
#include <rpcbuf/cursor.h>
#include <stdbool.h>
#include <string.h>

#include "rpcbuf/os/bits.h"

struct words {
	const uint8_t *at; /* the adjacent bytes that are left */
	size_t left;
	const uint8_t *start;	     /* of these, where the cursor is */
	struct rpcbuf_cursor cursor; /* without a message: they are all */
};

void words_of_message(struct words *words,
		      const struct rpcbuf_message *message);
void words_of_bytes(struct words *words, const void *bytes, size_t size);

/* The functions below return false when the message ends before; then nothing
 * more is to be read of it. */

/* What goes over the end of the adjacent bytes. */
bool words_read_on(struct words *words, void *to, size_t len);
bool words_skip_on(struct words *words, size_t len);

static inline bool words_read(struct words *words, void *to, size_t len)
{
	if (rpcbuf_unlikely(len > words->left))
		return words_read_on(words, to, len);
	memcpy(to, words->at, len);
	words->at += len;
	words->left -= len;
	return true;
}

static inline bool words_skip(struct words *words, size_t len)
{
	if (rpcbuf_unlikely(len > words->left))
		return words_skip_on(words, len);
	words->at += len;
	words->left -= len;
	return true;
}

static inline bool words_take(struct words *words, uint32_t *value)
{
	uint32_t word;

	if (!words_read(words, &word, sizeof(word)))
		return false;
	*value = be32toh(word);
	return true;
}

/* A count of units of @unit bytes, and these, padded. */
static inline bool words_skip_counted(struct words *words, size_t unit)
{
	uint32_t count;

	return words_take(words, &count) &&
	       words_skip(words, (count * unit + 3) & ~(size_t)3);
}

/* What every message begins with; 0: it ended before. */
struct words_head {
	uint32_t xid, direction; /* 0: a call, which has the others */
	uint32_t program, version, procedure;
};

/* True: it is a call, and its credential follows.  RFC 5531, section 9. */
bool words_take_head(struct words *words, struct words_head *head);

#endif /* RPCBUF_RQST_WORDS_H */
