/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "columns.h"
#include "tools/common/format.h"

/* An IPv4 address. */
#define ADDRESS_MIN 15

/* A number without a value. */
#define NO_VALUE    (-1.0)

enum form {
	FORM_ADDRESS,
	FORM_COUNT,
	FORM_BYTES,
	FORM_TIME,
	FORM_RATE,
	FORM_WHY,
};

struct column {
	const char *title;
	const char *help;
	double (*value)(const struct row *row);
	enum form form;
	int width; /* including one blank in front */
	int rank;  /* a narrow screen drops the highest rank first */
	char key;
};

#define VALUE(name, expression)                         \
	static double value_##name(const struct row *r) \
	{                                               \
		return (double)(expression);            \
	}

VALUE(connections, r->now->connections)
VALUE(held, r->now->held_pages)
VALUE(part, r->now->held_bytes)
VALUE(waiting, r->now->waiting)
VALUE(since, r->waiting_ns)
VALUE(waits, r->now->waits)
VALUE(in_flight, r->now->in_flight)
VALUE(busy, r->now->busy)
VALUE(unsent, r->now->unsent)
VALUE(queued, r->now->unsent_bytes)
VALUE(kept, r->now->unsent_kept_bytes)
VALUE(calls, r->known ? r->calls : NO_VALUE)
VALUE(bytes, r->known ? r->bytes / (1 << 20) : NO_VALUE)
VALUE(sent, r->known ? r->reply_bytes / (1 << 20) : NO_VALUE)
VALUE(refused, r->refused)
VALUE(length, r->now->refused_length)
VALUE(fragments, r->now->refused_fragments)
VALUE(shorter, r->now->refused_short)
VALUE(late, r->now->refused_timeout)

static const struct column columns[] = {
	{"CLIENT", "its address", NULL, FORM_ADDRESS, 0, 0, 'A'},
	{"CONN", "connections", value_connections, FORM_COUNT, 5, 3, 'N'},
	{"HELD", "pages of its unfinished calls", value_held, FORM_COUNT, 6, 1,
	 'H'},
	{"PART", "bytes received of these calls", value_part, FORM_BYTES, 7, 9,
	 'P'},
	{"WAIT", "connections that wait for pages", value_waiting, FORM_COUNT,
	 5, 2, 'W'},
	{"SINCE", "longest of these waits so far", value_since, FORM_TIME, 7, 4,
	 'S'},
	{"WAITS", "number of such waits so far", value_waits, FORM_COUNT, 7, 12,
	 'T'},
	{"FLIGHT", "calls in progress", value_in_flight, FORM_COUNT, 7, 8, 'F'},
	{"BUSY", "connections with too many of them", value_busy, FORM_COUNT, 5,
	 14, 'B'},
	{"UNSENT", "connections that leave replies unread", value_unsent,
	 FORM_COUNT, 7, 13, 'U'},
	{"QUEUED", "bytes of unsent replies", value_queued, FORM_BYTES, 7, 15,
	 'Q'},
	{"KEPT", "memory pinned by these replies, bytes", value_kept,
	 FORM_BYTES, 7, 21, 'K'},
	{"CALL/s", "calls per second", value_calls, FORM_RATE, 7, 6, 'C'},
	{"MiB/s", "mebibytes received per second", value_bytes, FORM_RATE, 7, 7,
	 'M'},
	{"SENT/s", "mebibytes of replies per second", value_sent, FORM_RATE, 7,
	 20, 'D'},
	{"REFUSED", "calls refused so far, all reasons", value_refused,
	 FORM_COUNT, 8, 5, 'R'},
	{"WHY", "the most frequent reason", value_refused, FORM_WHY, 6, 10, 0},
	{"LONG", "refused: longer than allowed", value_length, FORM_COUNT, 6,
	 16, 'L'},
	{"FRAG", "refused: too many fragments", value_fragments, FORM_COUNT, 6,
	 17, 'G'},
	{"SHORT", "refused: too short for a call", value_shorter, FORM_COUNT, 6,
	 18, 'O'},
	{"LATE", "refused: not finished in time", value_late, FORM_COUNT, 6, 19,
	 'E'},
};
#define NR_COLUMNS (sizeof(columns) / sizeof(*columns))
_Static_assert(NR_COLUMNS <= COLUMNS_MAX, "room for the chosen ones");

unsigned int columns_nr(void)
{
	return NR_COLUMNS;
}

const char *column_title(unsigned int column)
{
	return columns[column].title;
}

const char *column_help(unsigned int column)
{
	return columns[column].help;
}

char column_key(unsigned int column)
{
	return columns[column].key;
}

int column_find_key(int key)
{
	for (unsigned int i = 0; i < NR_COLUMNS; i++)
		if (columns[i].key && columns[i].key == key)
			return (int)i;
	return -1;
}

int column_find_title(const char *title)
{
	for (unsigned int i = 0; i < NR_COLUMNS; i++)
		if (strcasecmp(columns[i].title, title) == 0)
			return (int)i;
	return -1;
}

static int column_width(const struct picture *picture, unsigned int column)
{
	if (columns[column].form != FORM_ADDRESS)
		return columns[column].width;
	return picture->longest > ADDRESS_MIN ? (int)picture->longest
					      : ADDRESS_MIN;
}

unsigned int columns_choose(const struct picture *picture, unsigned int width,
			    unsigned int sorted, unsigned int *chosen)
{
	bool in[NR_COLUMNS] = {[0] = true};
	int left = (int)width - column_width(picture, 0);
	unsigned int nr = 0;

	if (sorted) {
		in[sorted] = true;
		left -= columns[sorted].width;
	}
	for (int rank = 1; rank < COLUMNS_MAX; rank++) {
		for (unsigned int i = 1; i < NR_COLUMNS; i++) {
			if (columns[i].rank != rank || in[i])
				continue;
			/* Below 0 none of the later ones fits, even a narrow
			 * one. */
			left -= columns[i].width;
			in[i] = left >= 0;
		}
	}
	for (unsigned int i = 0; i < NR_COLUMNS; i++)
		if (in[i])
			chosen[nr++] = i;
	return nr;
}

static const struct order *sort_order;

/* Numbers from the largest, addresses from the smallest. */
static int compare_rows(const void *a, const void *b)
{
	const struct row *left = a, *right = b;
	const struct column *column = &columns[sort_order->column];
	int result;

	if (column->form == FORM_ADDRESS) {
		result = memcmp(left->now->address, right->now->address, 16);
	} else {
		double x = column->value(left), y = column->value(right);

		result = (x < y) - (x > y);
	}
	if (sort_order->reverse)
		result = -result;
	if (!result)
		result = (left->calls < right->calls) -
			 (left->calls > right->calls);
	if (!result)
		result = memcmp(left->now->address, right->now->address, 16);
	return result;
}

void columns_sort(struct picture *picture, const struct order *order)
{
	sort_order = order;
	qsort(picture->rows, picture->nr, sizeof(*picture->rows), compare_rows);
}

static const char *why(const struct row *row)
{
	const uint64_t counts[] = {
		row->now->refused_length,
		row->now->refused_fragments,
		row->now->refused_short,
		row->now->refused_timeout,
	};
	static const char *const names[] = {"long", "frag", "short", "late"};
	unsigned int most = 0;

	if (!row->refused)
		return "-";
	for (unsigned int i = 1; i < 4; i++)
		if (counts[i] > counts[most])
			most = i;
	return names[most];
}

/* 350ms, 12.3s, 5m10s, 3h20m */
static void write_time(char out[FORMAT_SHORT], uint64_t ns)
{
	unsigned int s = (unsigned int)(ns / 1000000000);

	if (!ns)
		snprintf(out, FORMAT_SHORT, "-");
	else if (!s)
		snprintf(out, FORMAT_SHORT, "%ums",
			 (unsigned int)(ns / 1000000));
	else if (s < 60)
		snprintf(out, FORMAT_SHORT, "%.1fs", (double)ns / 1e9);
	else if (s < 3600)
		snprintf(out, FORMAT_SHORT, "%um%02us", s / 60, s % 60);
	else
		snprintf(out, FORMAT_SHORT, "%uh%02um", s / 3600, s / 60 % 60);
}

/* 512, 1.5K, 64.0M */
static void write_bytes(char out[FORMAT_SHORT], double bytes)
{
	static const char units[] = " KMGTP";
	unsigned int i = 0;

	for (; bytes >= 1024 && units[i + 1]; i++)
		bytes /= 1024;
	if (i)
		snprintf(out, FORMAT_SHORT, "%.1f%c", bytes, units[i]);
	else
		snprintf(out, FORMAT_SHORT, "%.0f", bytes);
}

static const char *text_of(const struct column *column, const struct row *row,
			   char out[FORMAT_SHORT])
{
	double value;

	if (column->form == FORM_ADDRESS)
		return row->address;
	if (column->form == FORM_WHY)
		return why(row);
	value = column->value(row);
	switch (column->form) {
	case FORM_ADDRESS:
	case FORM_WHY:
		break;
	case FORM_COUNT:
		return format_count(out, (uint64_t)value, column->width - 1);
	case FORM_BYTES:
		write_bytes(out, value);
		return out;
	case FORM_TIME:
		write_time(out, (uint64_t)value);
		return out;
	case FORM_RATE:
		return value < 0 ? "-"
				 : format_rate(out, value, column->width - 1);
	}
	return "";
}

int column_write(const struct picture *picture, unsigned int column,
		 const struct row *row, char *out, size_t len)
{
	const struct column *c = &columns[column];
	char text[FORMAT_SHORT];
	int width = column_width(picture, column);

	snprintf(out, len, c->form == FORM_ADDRESS ? "%-*s" : "%*s", width,
		 row ? text_of(c, row, text) : c->title);
	return width;
}
