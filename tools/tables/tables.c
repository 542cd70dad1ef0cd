/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf-tables: writes a manual page from its source, in which the lists of
 * parameters and counters are made from the tables in rpcbuf/tbl.  Runs when the
 * project is built; not installed.
 *
 *	.\" @options USER|TUNING|GONE|ENGINE
 *	.\" @counters ENGINE|MM|SVC
 *
 * stands for a list.  Up to a line `.\" @end` there may be more about some of its
 * items: the lines that follow `.\" @text NAME`.  A name that the list has not, and
 * a counter (.Va) that no list has, are errors.
 *
 * usage: rpcbuf-tables PAGE.in > PAGE
 */
#include <ctype.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/rqst.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/counters.h"
#include "tools/common/parameters.h"

#define MARK	 ".\\\" @"
#define TEXT_MAX 64

static const char *page;
static unsigned int line_nr;

/* What is said in addition, of one list. */
static struct text {
	char name[64];
	char *lines;
	bool used;
} texts[TEXT_MAX];
static size_t nr_texts;

static void __attribute__((format(printf, 1, 2), noreturn))
die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%u: ", page, line_nr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* One sentence a line, as mdoc wants it: they end with a stop and two blanks. */
static void print_sentences(const char *text)
{
	const char *end;

	for (; *text; text = end) {
		text += strspn(text, " ");
		end = strstr(text, ".  ");
		end = end ? end + 1 : text + strlen(text);
		printf("%.*s\n", (int)(end - text), text);
	}
}

/* What a counter counts, made a sentence. */
static void print_what(const char *what)
{
	printf("%c%s.\n", toupper((unsigned char)what[0]), what + 1);
}

static void print_text(const char *name)
{
	for (size_t i = 0; i < nr_texts; i++)
		if (strcmp(texts[i].name, name) == 0) {
			fputs(texts[i].lines, stdout);
			texts[i].used = true;
		}
}

static void print_parameter(const struct parameter *parameter)
{
	char range[96], initial[32];

	parameter_range(parameter, range, sizeof(range));
	parameter_default(parameter, initial, sizeof(initial));
	printf(".It Cm %s Pq %s\n", parameter->name, range);
	if (initial[0])
		printf("The default is %s.\n", initial);
	if (parameter->unit == UNIT_PAGES)
		printf("A multiple of 4096 is expected.\n");
	print_sentences(parameter->what);
	print_text(parameter->name);
	if (parameter->when[0]) {
		printf(".Pp\n");
		print_sentences(parameter->when);
	}
}

static void print_gone(void)
{
	for (size_t i = 0; i < nr_gone_parameters; i++) {
		printf(".It Cm %s\n"
		       "It is accepted, as versions before had it, and does nothing, which a line in the\n"
		       "log says.\n",
		       gone_parameters[i].name);
		print_sentences(gone_parameters[i].what);
		print_text(gone_parameters[i].name);
	}
}

/* The options of the library, by the names of their members. */
static const struct engine_option {
	struct parameter is;
	const char *type, *in_block;
} engine_options[] = {
#define OPTION(type, name, least, most, initial, place, Name, unit, what)   \
	{{name, PARAMETER_##place, UNIT_##unit, least, most, initial, what, \
	  ""},                                                              \
	 #type,                                                             \
	 #Name},
#define X(type, member, least, most, initial, place, Name, unit, l, m, i,  \
	  what, when)                                                      \
	OPTION(type, "limits." #member, least, most, initial, place, Name, \
	       unit, what)
	RPCBUF_LIMIT_OPTIONS(X)
#undef X
#define X(type, member, least, most, initial, place, Name, unit, l, m, i, \
	  what, when)                                                     \
	OPTION(type, #member, least, most, initial, place, Name, unit, what)
		RPCBUF_ENGINE_OPTIONS(X)
#undef X
};

static void print_engine_option(const struct engine_option *option)
{
	bool pointer = strchr(option->type, '*');
	char range[96], initial[32];

	parameter_range(&option->is, range, sizeof(range));
	parameter_default(&option->is, initial, sizeof(initial));
	printf(".It Va %s Pq %s%s%s\n", option->is.name, option->type,
	       pointer ? "" : ", ", pointer ? "" : range);
	printf("The default is %s.\n", pointer ? "NULL" : initial);
	if (option->is.place != PARAMETER_NONE)
		printf("In the RPCBUF block it is\n.Cm %s .\n",
		       option->in_block);
	print_sentences(option->is.what);
	print_text(option->is.name);
}

static void print_engine_options(void)
{
	size_t nr = sizeof(engine_options) / sizeof(*engine_options);

	for (size_t i = 0; i < nr; i++)
		print_engine_option(&engine_options[i]);
}

static void print_options(const char *place)
{
	static const char *const places[] = {
		[PARAMETER_USER] = "USER",
		[PARAMETER_TUNING] = "TUNING",
	};
	bool found = false;

	printf(".Bl -tag -width Ds\n");
	if (strcmp(place, "GONE") == 0) {
		print_gone();
		found = true;
	}
	if (strcmp(place, "ENGINE") == 0) {
		print_engine_options();
		found = true;
	}
	for (size_t i = 0; i < nr_parameters; i++)
		if (parameters[i].place != PARAMETER_NONE &&
		    strcmp(places[parameters[i].place], place) == 0) {
			print_parameter(&parameters[i]);
			found = true;
		}
	if (!found)
		die("there are no parameters of the place %s", place);
	printf(".El\n");
}

static void print_counters_of(enum counter_list list, enum counter_group group)
{
	bool begun = false;

	for (size_t i = 0; i < nr_counters; i++) {
		const struct counter *counter = &counters[i];

		if (counter->list != list || counter->group != group)
			continue;
		if (!begun)
			printf(".Pp\n%s:\n.Bl -tag -width reply_pages_per_request -compact\n",
			       counter_headings[group]);
		begun = true;
		printf(".It Va %s\n", counter->name);
		print_what(counter->what);
		print_text(counter->name);
	}
	if (begun)
		printf(".El\n");
}

static void print_counters(const char *list)
{
	static const char *const lists[] = {
		[COUNTERS_ENGINE] = "ENGINE",
		[COUNTERS_MM] = "MM",
		[COUNTERS_SVC] = "SVC",
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (strcmp(lists[i], list))
			continue;
		for (size_t j = 0; j < nr_counter_groups; j++)
			print_counters_of((enum counter_list)i,
					  (enum counter_group)j);
		return;
	}
	die("there is no list of counters %s", list);
}

/* A page that names a counter names one that there is. */
static void check_counter(const char *line)
{
	const char *at = strstr(line, "Va ");
	char name[64] = "";

	if (line[0] != '.' || !at || (at != line + 1 && at[-1] != ' '))
		return;
	sscanf(at + 3, "%63[a-z_0-9]", name);
	if (strcmp(name, "errno") == 0)
		return;
	for (size_t i = 0; i < nr_counters; i++)
		if (strcmp(counters[i].name, name) == 0)
			return;
	die("there is no counter %s", name);
}

static bool next_line(FILE *in, char *line, int len)
{
	line_nr++;
	if (!fgets(line, len, in))
		return false;
	check_counter(line);
	return true;
}

/* Up to the end of the list. */
static void read_texts(FILE *in)
{
	struct text *text = NULL;
	char line[1024];
	FILE *out = NULL;
	size_t len;

	nr_texts = 0;
	while (next_line(in, line, sizeof(line)) &&
	       strcmp(line, MARK "end\n") != 0) {
		if (strncmp(line, MARK "text ", 9) == 0) {
			if (out)
				fclose(out);
			if (nr_texts == TEXT_MAX)
				die("more than %d texts in a list", TEXT_MAX);
			text = &texts[nr_texts++];
			*text = (struct text){.lines = NULL};
			sscanf(line + 9, "%63s", text->name);
			out = open_memstream(&text->lines, &len);
		} else if (out) {
			fputs(line, out);
		} else {
			die("a line in a list that is about none of its items");
		}
	}
	if (out)
		fclose(out);
	if (feof(in))
		die("a list without an end");
}

static void check_texts(void)
{
	for (size_t i = 0; i < nr_texts; i++) {
		if (!texts[i].used)
			die("%s is not in the list before", texts[i].name);
		free(texts[i].lines);
	}
}

int main(int argc, char **argv)
{
	char line[1024], what[16], which[16];
	FILE *in = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!in) {
		fprintf(stderr, "usage: rpcbuf-tables PAGE.in > PAGE\n");
		return 2;
	}
	page = argv[1];
	while (next_line(in, line, sizeof(line))) {
		if (sscanf(line, MARK "%15s %15s", what, which) != 2) {
			fputs(line, stdout);
			continue;
		}
		read_texts(in);
		if (strcmp(what, "options") == 0)
			print_options(which);
		else if (strcmp(what, "counters") == 0)
			print_counters(which);
		else
			die("there is no list of %s", what);
		check_texts();
	}
	fclose(in);
	return fflush(stdout) || ferror(stdout);
}
