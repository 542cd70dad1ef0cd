/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * peek.h - what a message says it is, for traces.
 *
 * Reads program, version and procedure of a received message without decoding it,
 * and the operations of an NFSv4 COMPOUND.  Trusts nothing in
 * there.
 */
#ifndef RPCBUF_RQST_PEEK_H
#define RPCBUF_RQST_PEEK_H

#include <rpcbuf/cursor.h>
#include <stdbool.h>

#define PEEK_OPS 32

struct peek {
	uint32_t xid, program, version, procedure; /* 0 in a reply */
	bool reply;
	bool cut; /* not all operations, or the first PEEK_OPS, were found */
	uint8_t nr_ops;	       /* that the compound says it has; 255: or more */
	uint8_t ops[PEEK_OPS]; /* their numbers; 255: of that or more, such as
				* ILLEGAL; 0: not found */
};

/*
 * Fills in what can be read; the rest is 0.  Arguments that are encrypted are
 * skipped, and ->cut is set then.  RFC 5531, section 9 (messages);
 * RFC 2203, section 5.3 (seals); RFC 7531, 5662, 7863 and 8276 (compounds).
 */
void peek_message(struct peek *peek, const struct rpcbuf_message *message);

/* The same without the operations of a compound. */
void peek_head(struct peek *peek, const struct rpcbuf_message *message);

#endif /* RPCBUF_RQST_PEEK_H */
