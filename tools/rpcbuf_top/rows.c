/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "rows.h"
#include "tools/common/figures.h"

static bool all_bytes(const uint8_t *address, uint8_t value)
{
	for (unsigned int i = 0; i < 16; i++)
		if (address[i] != value)
			return false;
	return true;
}

static void write_address(const uint8_t *address, char *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (all_bytes(address, 0))
		snprintf(out, ROW_ADDRESS, "(local)");
	else if (all_bytes(address, 0xff))
		snprintf(out, ROW_ADDRESS, "(own calls)");
	else if (memcmp(address, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, address + sizeof(mapped), out, ROW_ADDRESS);
	else
		inet_ntop(AF_INET6, address, out, ROW_ADDRESS);
}

static const struct rpcbuf_client *
find_client(const struct rpcbuf_snapshot *snapshot, const uint8_t *address)
{
	for (uint32_t i = 0; snapshot && i < snapshot->nr_clients; i++)
		if (memcmp(snapshot->clients[i].address, address, 16) == 0)
			return &snapshot->clients[i];
	return NULL;
}

/* A client's counters sum its open connections, so a close may lower them. */
static double rate(uint64_t before, uint64_t after, double seconds)
{
	return after > before ? (double)(after - before) / seconds : 0;
}

static void fill_row(struct row *row, const struct picture *picture,
		     const struct rpcbuf_client *now)
{
	const struct rpcbuf_client *before =
		find_client(picture->from, now->address);
	uint64_t time = picture->to->monotonic_ns;

	*row = (struct row){.now = now};
	write_address(now->address, row->address);
	if (now->waiting_ns && now->waiting_ns < time)
		row->waiting_ns = time - now->waiting_ns;
	row->refused = now->refused_length + now->refused_fragments +
		       now->refused_short + now->refused_timeout;
	if (!before || picture->seconds <= 0)
		return;
	row->known = true;
	row->calls = rate(before->requests, now->requests, picture->seconds);
	row->bytes = rate(before->bytes, now->bytes, picture->seconds);
	row->reply_bytes =
		rate(before->reply_bytes, now->reply_bytes, picture->seconds);
}

void picture_fill(struct picture *picture)
{
	const struct rpcbuf_snapshot *to = picture->to;

	picture->seconds = 0;
	if (picture->from)
		picture->seconds = (double)(to->monotonic_ns -
					    picture->from->monotonic_ns) /
				   1e9;
	picture->longest = 0;
	picture->nr = to->nr_clients;
	for (unsigned int i = 0; i < picture->nr; i++) {
		struct row *row = &picture->rows[i];
		unsigned int len;

		fill_row(row, picture, &to->clients[i]);
		len = (unsigned int)strlen(row->address);
		if (len > picture->longest)
			picture->longest = len;
	}
}
