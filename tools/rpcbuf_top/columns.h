/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * columns.h - the columns of the table of clients: which fit, what is in them,
 * and the order that they give to the rows.
 */
#ifndef RPCBUF_TOP_COLUMNS_H
#define RPCBUF_TOP_COLUMNS_H

#include "rows.h"

#define COLUMNS_MAX 24

struct order {
	unsigned int column; /* by its number */
	bool reverse;	     /* the smallest first */
};

/* How many there are; the first is the client's address. */
unsigned int columns_nr(void);
const char *column_title(unsigned int column);
const char *column_help(unsigned int column);
char column_key(unsigned int column);

/* The column whose key or title this is, -1: none. */
int column_find_key(int key);
int column_find_title(const char *title);

/* The columns that fit in @width characters, in their order, and the one that
 * the rows are sorted by in any case.  Returns how many. */
unsigned int columns_choose(const struct picture *picture, unsigned int width,
			    unsigned int sorted, unsigned int *chosen);

/* Sorts; rows that are equal go by calls, then by address. */
void columns_sort(struct picture *picture, const struct order *order);

/* Writes the field of a column, as wide as it is with the blank before it;
 * @row NULL: its title.  Returns the width. */
int column_write(const struct picture *picture, unsigned int column,
		 const struct row *row, char *out, size_t len);

#endif
