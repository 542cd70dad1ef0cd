/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <curses.h>
#include <stdio.h>

#include "totals.h"
#include "view.h"

static void put_line(int y, const char *text)
{
	mvaddnstr(y, 0, text, COLS);
}

unsigned int view_rows(void)
{
	return LINES > TOTALS_LINES + 3 ? (unsigned int)LINES - TOTALS_LINES - 3
					: 0;
}

unsigned int view_last_top(const struct view *view)
{
	unsigned int nr = view->sampler->picture.nr;

	return nr > view_rows() ? nr - view_rows() : 0;
}

static void draw_row(const struct view *view, int y, const struct row *row)
{
	const struct picture *picture = &view->sampler->picture;
	char field[ROW_ADDRESS];
	int x = 0;

	for (unsigned int i = 0; i < view->nr_chosen; i++) {
		unsigned int column = view->chosen[i];
		bool sorted = !row && column == view->order->column;
		int width = column_write(picture, column, row, field,
					 sizeof(field));

		if (sorted)
			attron(A_BOLD | A_UNDERLINE);
		if (x < COLS)
			mvaddnstr(y, x, field, COLS - x);
		if (sorted)
			attroff(A_BOLD | A_UNDERLINE);
		x += width;
	}
}

/* Highlights waiting and refused clients. */
static int attributes(const struct row *row)
{
	if (row->now->waiting)
		return A_BOLD | COLOR_PAIR(PAIR_WAITS);
	return row->refused ? COLOR_PAIR(PAIR_REFUSED) : A_NORMAL;
}

static void draw_table(struct view *view)
{
	struct picture *picture = &view->sampler->picture;
	unsigned int shown = view_rows();

	columns_sort(picture, view->order);
	view->nr_chosen = columns_choose(picture, (unsigned int)COLS,
					 view->order->column, view->chosen);
	if (view->top > view_last_top(view))
		view->top = view_last_top(view);
	attron(A_REVERSE);
	mvhline(TOTALS_LINES + 1, 0, ' ', COLS);
	draw_row(view, TOTALS_LINES + 1, NULL);
	attroff(A_REVERSE);
	for (unsigned int i = 0; i < shown && view->top + i < picture->nr;
	     i++) {
		const struct row *row = &picture->rows[view->top + i];

		attrset(attributes(row));
		draw_row(view, TOTALS_LINES + 2 + (int)i, row);
		attrset(A_NORMAL);
	}
	if (!picture->nr && shown)
		put_line(TOTALS_LINES + 2, "No clients are connected.");
}

static void draw_status(const struct view *view)
{
	const struct picture *picture = &view->sampler->picture;
	unsigned int last = view->top + view_rows();
	char text[STATUS_LEN];

	if (last > picture->nr)
		last = picture->nr;
	if (view->status[0])
		snprintf(text, sizeof(text), "%s", view->status);
	else
		snprintf(text, sizeof(text),
			 "%u-%u of %u by %s%s%s   h help  q quit",
			 last > view->top ? view->top + 1 : 0,
			 last > view->top ? last : 0, picture->nr,
			 column_title(view->order->column),
			 view->order->reverse ? " reversed" : "",
			 view->paused ? "   PAUSED" : "");
	if (view->status[0] || view->paused)
		attron(A_BOLD | COLOR_PAIR(PAIR_STATUS));
	put_line(LINES - 1, text);
	attrset(A_NORMAL);
}

static void draw_help(void)
{
	static const char *const keys[] = {
		"q  quit          h ?  this help; any key leaves it",
		"p  pause         r  reverse the order          space  refresh now",
		"left right       sort by the column beside     up down page home end  scroll",
		"Letters sort by a column:",
	};
	int y = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		put_line(y++, keys[i]);
	for (unsigned int i = 0; i < columns_nr(); i++) {
		char line[96];

		if (!column_key(i))
			continue;
		snprintf(line, sizeof(line), "%c  %-8s %s", column_key(i),
			 column_title(i), column_help(i));
		if (y < LINES)
			put_line(y++, line);
	}
}

void view_draw(struct view *view)
{
	char lines[TOTALS_LINES][TOTALS_WIDTH];

	erase();
	if (view->help) {
		draw_help();
	} else {
		if (view->sampler->picture.to) {
			totals_write(&view->sampler->server,
				     &view->sampler->picture, lines);
			for (int i = 0; i < TOTALS_LINES; i++)
				put_line(i, lines[i]);
			draw_table(view);
		}
		draw_status(view);
	}
	refresh();
}
