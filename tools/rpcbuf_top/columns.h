/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * columns.h - columns of the table of clients: selection, contents, and sorting
 * by them.
 */
#ifndef RPCBUF_TOP_COLUMNS_H
#define RPCBUF_TOP_COLUMNS_H

#include "rows.h"

#define COLUMNS_MAX 24

struct order {
	unsigned int column; /* by its number */
	bool reverse;	     /* the smallest first */
};

/* Number of columns; the first is the client's address. */
unsigned int columns_nr(void);
const char *column_title(unsigned int column);
const char *column_help(unsigned int column);
char column_key(unsigned int column);

/* The column with this key or title; -1: none. */
int column_find_key(int key);
int column_find_title(const char *title);

/* Chooses the columns that fit in @width characters, in order; always includes
 * the one that rows are sorted by.  Returns their number. */
unsigned int columns_choose(const struct picture *picture, unsigned int width,
			    unsigned int sorted, unsigned int *chosen);

/* Sorts the rows; equal rows by calls, then by address. */
void columns_sort(struct picture *picture, const struct order *order);

/* Writes a field, padded to its column's width with a blank in front; @row
 * NULL: the title.  Returns the width. */
int column_write(const struct picture *picture, unsigned int column,
		 const struct row *row, char *out, size_t len);

#endif
