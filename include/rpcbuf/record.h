/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/record.h - record marking (RFC 5531, section 11) as a state machine.
 *
 * A record is one RPC message cut into fragments; a 4-byte mark before each
 * fragment says how long it is and whether it is the last.  The machine takes
 * bytes in any portions and says where the record ends.  It keeps no bytes,
 * knows no socket and allocates nothing: a mark is a claim, not memory.
 *
 * Threads: one thread at a time uses a machine.
 */
#ifndef RPCBUF_RECORD_H
#define RPCBUF_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPCBUF_MARK_SIZE 4u
#define RPCBUF_MARK_LAST UINT32_C(0x80000000)

/* Shortest message of each direction: a call with AUTH_NONE, and a reply that
 * is denied (RFC 5531, section 9). */
#define RPCBUF_CALL_MIN 40u
#define RPCBUF_REPLY_MIN 20u

struct rpcbuf_record_limits {
	uint32_t max_length;	/* bytes of one message, marks not counted */
	uint32_t max_fragments; /* fragments of one record, empty ones too */
	uint32_t min_length;	/* a shorter message is refused */
};

/* State between portions.  Zero-initialised is the start of a record. */
struct rpcbuf_record_machine {
	uint32_t length;       /* message bytes seen */
	uint32_t fragments;    /* marks seen */
	uint32_t fragment_left; /* bytes of this fragment still to come */
	uint32_t mark;	       /* a mark that has arrived in part */
	uint8_t mark_bytes;    /* how many bytes of it, 0 to 3 */
	uint8_t in_fragment;   /* a whole mark was read, its bytes follow */
	uint8_t last;	       /* that mark said: the last fragment */
	uint8_t complete;      /* the record has ended; the next byte starts
				* another */
};

/* Which limit was broken, and by what. */
struct rpcbuf_record_refusal {
	uint64_t value;
	uint64_t limit;
};

/*
 * rpcbuf_record_feed - look at the next @len bytes of a stream.
 *
 * @consumed: out, how many of them belong to this record.
 *
 * Returns 1 when the record is complete (length and fragments describe it until
 * the next call, which starts another record) and 0 when all bytes were taken
 * and more belong to it.  Errors, each as soon as the mark that breaks the
 * limit is whole, with *refusal filled in; the stream cannot go on then:
 *   -EMSGSIZE  the message is longer than max_length
 *   -E2BIG     more than max_fragments fragments
 *   -EBADMSG   the message is shorter than min_length
 */
int rpcbuf_record_feed(struct rpcbuf_record_machine *machine,
		       const struct rpcbuf_record_limits *limits,
		       const void *bytes, size_t len, size_t *consumed,
		       struct rpcbuf_record_refusal *refusal);

/* Bytes that are certainly still to come before the record can end: the rest
 * of this fragment, or of its mark; at the start of a record, a mark. */
uint32_t rpcbuf_record_wanted(const struct rpcbuf_record_machine *machine);

/* True between two records. */
bool rpcbuf_record_idle(const struct rpcbuf_record_machine *machine);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_RECORD_H */
