/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: whatever bytes a peer sends, in any portions, the stream, its messages,
 * their cursors and the peek of a trace agree with a plain reading of RFC 5531,
 * access no memory of others, and lose no page.
 * Method: the input is the bytes themselves, or a list of fragments that is
 * expanded to records of many pages.  A parser that has all bytes in one array
 * is the reference; any difference aborts.
 *
 * Input: 1 byte of options, 8 bytes that seed the sizes of portions and the
 * moves of the cursor, then the wire (options bit 0 clear) or pairs of bytes,
 * each a fragment: the top bit marks the last, the others give its length.
 */
#include <errno.h>
#include <rpcbuf/stream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/rqst/handle.h"
#include "rpcbuf/rqst/peek.h"

#define HEADER 9u
#define MAX_WIRE (1u << 18)
#define VECTOR 24u
#define READ_AHEAD 20000u
#define KEPT 4u

#define must(condition)                                                 \
	do {                                                            \
		if (!(condition)) {                                     \
			fprintf(stderr, "line %d: %s\n", __LINE__,      \
				#condition);                            \
			abort();                                        \
		}                                                       \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rpcbuf *mm;
static struct rpcbuf_rqst *rqst;
static struct rpcbuf_record_limits limits;
static uint64_t state;

/* The bytes, and the reference's position. */
static uint8_t wire[MAX_WIRE + 4], body[MAX_WIRE];
static uint32_t wire_len, parsed;
static uint32_t body_len, fragments; /* of the last record */

static struct kept {
	struct rpcbuf_message message;
	uint8_t *body;
	void *pages[256];
} kept[KEPT];

static uint32_t draw(uint32_t n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)(state * 0x2545f4914f6cdd1dull >> 32) % n;
}

static void start(void)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	if (mm)
		return;
	options.memory = 4 << 20;
	must(rpcbuf_create(&mm, &options) == 0);
	must(rpcbuf_rqst_create(&rqst, mm, NULL, VECTOR) == 0);
}

static uint32_t get32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
	       (uint32_t)from[2] << 8 | from[3];
}

/* Expands a pair of bytes to a mark and as many bytes as it says. */
static void expand(const uint8_t *data, size_t size)
{
	for (wire_len = 0; size >= 2; data += 2, size -= 2) {
		uint32_t len = (uint32_t)(data[0] & 0x7f) << 8 | data[1];

		if (wire_len + 4 + len > MAX_WIRE)
			break;
		memset(wire + wire_len, 0, 4);
		wire[wire_len] = data[0] & 0x80;
		wire[wire_len + 2] = (uint8_t)(len >> 8);
		wire[wire_len + 3] = (uint8_t)len;
		wire_len += 4;
		for (uint32_t i = 0; i < len; i++)
			wire[wire_len++] = (uint8_t)(draw(256) | (len & 0x80));
	}
}

static void read_input(const uint8_t *data, size_t size)
{
	uint8_t options = data[0];

	memcpy(&state, data + 1, sizeof(state));
	state |= 1;
	limits = (struct rpcbuf_record_limits){
		.max_length = options & 2 ? 70000 : 5000,
		.max_fragments = options & 4 ? 1000 : 5,
		.min_length = options & 8 ? 40 : 0,
	};
	data += HEADER;
	size -= HEADER;
	parsed = 0;
	if (options & 1) {
		expand(data, size);
		return;
	}
	wire_len = size < MAX_WIRE ? (uint32_t)size : MAX_WIRE;
	memcpy(wire, data, wire_len);
}

/* The reference: the next record of the bytes written so far, as the machine
 * should return it. */
static int reference_next(uint32_t written)
{
	uint32_t at = parsed;

	body_len = 0;
	fragments = 0;
	while (at + 4 <= written) {
		uint32_t mark = get32(wire + at), len = mark & 0x7fffffff;
		bool last = mark >> 31;

		at += 4;
		if (++fragments > limits.max_fragments)
			return -E2BIG;
		if ((uint64_t)body_len + len > limits.max_length)
			return -EMSGSIZE;
		if (last && body_len + len < limits.min_length)
			return -EBADMSG;
		if (len > written - at)
			return 0;
		memcpy(body + body_len, wire + at, len);
		body_len += len;
		at += len;
		if (last) {
			parsed = at;
			return 1;
		}
	}
	return 0;
}

static void check_cursor(const struct rpcbuf_message *m, const uint8_t *want)
{
	static uint8_t to[MAX_WIRE];
	struct rpcbuf_cursor cursor;
	uint32_t at = 0;

	rpcbuf_cursor_init(&cursor, m);
	for (int move = 0; move < 12; move++) {
		uint32_t left = m->length - at;
		uint32_t n = draw(left + 2);
		int err = n > left ? -ENODATA : 0;
		size_t len;
		const uint8_t *window = rpcbuf_cursor_window(&cursor, &len);

		must(rpcbuf_cursor_left(&cursor) == left);
		must((window != NULL) == (left > 0));
		must(len <= left && (len > 0) == (left > 0));
		must(!window || memcmp(window, want + at, len) == 0);
		if (draw(2)) {
			must(rpcbuf_cursor_read(&cursor, to, n) == err);
			must(err || memcmp(to, want + at, n) == 0);
		} else {
			must(rpcbuf_cursor_skip(&cursor, n) == err);
		}
		at += err ? 0 : n;
		if (draw(3) == 0) {
			at = draw(m->length + 1);
			must(rpcbuf_cursor_seek(&cursor, at) == 0);
		}
	}
	must(rpcbuf_cursor_seek(&cursor, m->length + 1) == -ERANGE);
	must(rpcbuf_cursor_seek(&cursor, 0) == 0);
	must(rpcbuf_cursor_read(&cursor, to, m->length) == 0);
	must(memcmp(to, want, m->length) == 0);
}

static void drop(struct kept *k)
{
	if (!k->body)
		return;
	check_cursor(&k->message, k->body);
	rpcbuf_message_release(&k->message);
	free(k->body);
	k->body = NULL;
}

/* Takes messages until there is none; false: the stream is refused. */
static bool take_messages(struct rpcbuf_stream *stream, uint32_t written)
{
	for (;;) {
		struct kept *k = &kept[draw(KEPT)];
		struct rpcbuf_record_refusal refusal;
		struct peek peek;
		uint8_t handle[4];
		int ret, want = reference_next(written);

		drop(k);
		k->message.pages = k->pages;
		ret = rpcbuf_stream_next(stream, &limits, &k->message,
					 &refusal);
		must(ret == want);
		if (ret < 0)
			return false;
		must(rpcbuf_stream_bytes(stream) == written - parsed);
		if (ret == 0)
			return true;
		must(k->message.length == body_len);
		must(k->message.fragments == fragments);
		peek_message(&peek, &k->message);
		(void)handle_find(&k->message, handle, sizeof(handle));
		must(body_len < 4 || peek.xid == get32(body));
		k->body = malloc(body_len + 1);
		memcpy(k->body, body, body_len);
	}
}

static uint32_t write_portion(struct rpcbuf_stream *stream, uint32_t written)
{
	static const uint32_t most[] = { 1, 5, 100, 5000, 30000 };
	uint32_t want = 1 + draw(most[draw(5)]), left = wire_len - written;
	struct iovec iov[8];
	unsigned int nr, i;
	uint32_t done = 0;

	rpcbuf_rqst_want(rqst, draw(2));
	must(rpcbuf_rqst_fill(rqst) == 0);
	nr = rpcbuf_stream_iov(stream, rqst, want, iov, 1 + draw(8));
	must(nr > 0);
	for (i = 0; i < nr && done < left; i++) {
		uint32_t n = (uint32_t)iov[i].iov_len;

		n = n < left - done ? n : left - done;
		memcpy(iov[i].iov_base, wire + written + done, n);
		done += n;
	}
	must(done > 0 && done <= want);
	rpcbuf_stream_commit(stream, rqst, done);
	return done;
}

/* The bytes of the current record move to other pages. */
static void move_elsewhere(struct rpcbuf_stream *stream)
{
	uint32_t nr = stream->nr_pages;
	void *pages[256] = { NULL };
	bool run = nr && rpcbuf_alloc_run(mm, nr, pages) == nr;

	must(run || rpcbuf_alloc_bulk_array(mm, 0, nr, pages) == nr);
	rpcbuf_stream_move(stream, pages, run);
	rpcbuf_free_bulk_array(mm, nr, pages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *slots[256];
	struct rpcbuf_stream stream;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	uint32_t written = 0;
	bool legal = true;

	if (size < HEADER)
		return 0;
	start();
	read_input(data, size);
	must(rpcbuf_stream_slots(&limits, READ_AHEAD) <= 256);
	rpcbuf_stream_init(&stream, mm, slots,
			   rpcbuf_stream_slots(&limits, READ_AHEAD));
	while (legal && written < wire_len) {
		written += write_portion(&stream, written);
		legal = take_messages(&stream, written);
		if (draw(6) == 0)
			move_elsewhere(&stream);
	}
	for (unsigned int i = 0; i < KEPT; i++)
		drop(&kept[i]);
	rpcbuf_stream_reset(&stream);
	rpcbuf_rqst_release(rqst);
	rpcbuf_mm_counts(mm, &counts);
	must(counts.pages_out == 0);
	return 0;
}
