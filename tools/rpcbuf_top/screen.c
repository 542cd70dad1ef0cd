/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One thread waits for keys until the next picture is due.  Every exit restores
 * the terminal; ncurses does so for signals.
 */
#include <curses.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "screen.h"
#include "view.h"

#define MS_NS	   UINT64_C(1000000)
/* Period of renewing the lease, and of searching for an ended program again. */
#define RENEW_MS   1000
#define KEY_ESCAPE 27

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / MS_NS;
}

/* Sorts by the neighbour of the current column. */
static void sort_beside(struct view *view, int step)
{
	for (unsigned int i = 0; i < view->nr_chosen; i++) {
		if (view->chosen[i] != view->order->column)
			continue;
		for (i += (unsigned int)step; i < view->nr_chosen;
		     i += (unsigned int)step) {
			if (!column_key(view->chosen[i]))
				continue;
			view->order->column = view->chosen[i];
			view->top = 0;
			return;
		}
		return;
	}
}

static void scroll_by(struct view *view, long by)
{
	long top = (long)view->top + by;

	if (top < 0)
		top = 0;
	if (top > (long)view_last_top(view))
		top = (long)view_last_top(view);
	view->top = (unsigned int)top;
}

static void sort_by_key(struct view *view, int key)
{
	int column = column_find_key(key);

	if (column >= 0) {
		view->order->column = (unsigned int)column;
		view->top = 0;
	}
}

/* Returns true when a new picture is due at once. */
static bool handle_key(struct view *view, int key)
{
	if (view->help && key != KEY_RESIZE) {
		view->help = false;
		return false;
	}
	switch (key) {
	case 'q':
		view->quit = true;
		break;
	case 'h':
	case '?':
		view->help = true;
		break;
	case 'p':
		view->paused = !view->paused;
		return !view->paused;
	case 'r':
		view->order->reverse = !view->order->reverse;
		view->top = 0;
		break;
	case ' ':
		return true;
	case KEY_LEFT:
	case '<':
		sort_beside(view, -1);
		break;
	case KEY_RIGHT:
	case '>':
		sort_beside(view, 1);
		break;
	case KEY_UP:
		scroll_by(view, -1);
		break;
	case KEY_DOWN:
		scroll_by(view, 1);
		break;
	case KEY_PPAGE:
		scroll_by(view, -(long)view_rows());
		break;
	case KEY_NPAGE:
		scroll_by(view, (long)view_rows());
		break;
	case KEY_HOME:
		view->top = 0;
		break;
	case KEY_END:
		view->top = view_last_top(view);
		break;
	default:
		sort_by_key(view, key);
	}
	return false;
}

/* The program has ended.  Searches for another one, unless a process id or a
 * file was named, which no other program has. */
static void look_again(struct view *view)
{
	struct sampler *sampler = view->sampler;
	static struct sampler other;
	struct fault fault;

	if (sampler->target->pid || sampler->target->file ||
	    sampler_open(&other, sampler->target, &fault))
		return;
	server_detach(&sampler->server);
	sampler->server = other.server;
	sampler->picture.from = sampler->picture.to = NULL;
	view->ended = false;
	view->status[0] = '\0';
}

static int take_picture(struct view *view, struct fault *fault)
{
	const struct target *target = view->sampler->target;

	if (view->ended)
		look_again(view);
	if (view->ended || !sampler_next(view->sampler, fault))
		return FAULT_NONE;
	if (fault->status != FAULT_ENDED)
		return fault->status;
	view->ended = true;
	snprintf(view->status, sizeof(view->status),
		 "process %d (%s) has ended%s   q quits",
		 (int)view->sampler->server.pid,
		 view->sampler->server.header->program,
		 target->pid || target->file ? "." : "; waiting for another.");
	return FAULT_NONE;
}

/* Handles keys until @until_ms.  Returns true when one asks for a picture. */
static bool wait_for_keys(struct view *view, uint64_t until_ms)
{
	uint64_t now;

	while (!view->quit && (now = now_ms()) < until_ms) {
		uint64_t left = until_ms - now;
		int key;

		timeout((int)(left < RENEW_MS ? left : RENEW_MS));
		key = getch();
		if (key == ERR) {
			if (!view->paused)
				sampler_renew(view->sampler);
			continue;
		}
		if (handle_key(view, key))
			return true;
		view_draw(view);
	}
	return false;
}

static int show(struct view *view, uint64_t delay_ns, unsigned int count,
		struct fault *fault)
{
	unsigned int shown = 0;

	while (!view->quit) {
		if (take_picture(view, fault))
			return fault->status;
		view_draw(view);
		if (count && !view->ended && ++shown == count)
			break;
		do {
			if (wait_for_keys(view, now_ms() + delay_ns / MS_NS))
				break;
		} while (view->paused && !view->quit);
	}
	return view->ended ? fault->status : FAULT_NONE;
}

static int open_screen(struct fault *fault)
{
	const char *term = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return fault_set(
			fault, FAULT_OUTPUT,
			"standard input or output is not a terminal; --batch prints plain text");
	setlocale(LC_ALL, "");
	if (!newterm(NULL, stdout, stdin))
		return fault_set(
			fault, FAULT_OUTPUT,
			"unknown terminal type %s; --batch prints plain text",
			term && *term ? term : "\"\"");
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(PAIR_WAITS, COLOR_YELLOW, -1);
		init_pair(PAIR_REFUSED, COLOR_RED, -1);
		init_pair(PAIR_STATUS, COLOR_CYAN, -1);
	}
	return FAULT_NONE;
}

int screen(struct sampler *sampler, struct order *order, uint64_t delay_ns,
	   unsigned int count, struct fault *fault)
{
	static struct view view;
	int status;

	view.sampler = sampler;
	view.order = order;
	if (open_screen(fault))
		return fault->status;
	status = show(&view, delay_ns, count, fault);
	endwin();
	return status;
}
