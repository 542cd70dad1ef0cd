/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * view.h - what is on the screen: the totals, the part of the table that fits,
 * a line that says which; or the help.
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
	unsigned int top; /* the first row that is shown */
	bool paused, help, quit;
	bool ended; /* the program is gone */
	char status[STATUS_LEN];
};

void view_draw(struct view *view);

/* Lines for rows of the table, and the last row that may be the first shown. */
unsigned int view_rows(void);
unsigned int view_last_top(const struct view *view);

#endif
