/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * view.h - the screen: totals, the visible part of the table, a status line; or
 * the help.
 */
#ifndef RPCBUF_TOP_VIEW_H
#define RPCBUF_TOP_VIEW_H

#include "columns.h"
#include "sample.h"

#define STATUS_LEN 512

/* Pairs of colours. */
enum {
	PAIR_WAITS = 1,
	PAIR_REFUSED,
	PAIR_STATUS,
};

struct view {
	struct sampler *sampler;
	struct order *order;
	unsigned int chosen[COLUMNS_MAX], nr_chosen;
	unsigned int top; /* first visible row */
	bool paused, help, quit;
	bool ended; /* the program has ended */
	char status[STATUS_LEN];
};

void view_draw(struct view *view);

/* Lines for rows of the table; the largest value of `top`. */
unsigned int view_rows(void);
unsigned int view_last_top(const struct view *view);

#endif
