/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <inttypes.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/rqst.h>
#include <string.h>

#include "parameters.h"

#define COLUMNS 79

const struct parameter parameters[] = {
#define X(type, member, place, Name, unit, least, most, initial, what, when) \
	{#Name, PARAMETER_##place, UNIT_##unit, least, most, initial, what, when},
	RPCBUF_SERVER_OPTIONS(X)
#undef X
#define X(type, member, l, m, i, place, Name, unit, least, most, initial, \
	  what, when)                                                     \
	{#Name, PARAMETER_##place, UNIT_##unit, least, most, initial, what, when},
	RPCBUF_LIMIT_OPTIONS(X)
	RPCBUF_ENGINE_OPTIONS(X)
#undef X
};
const size_t nr_parameters = sizeof(parameters) / sizeof(*parameters);

const struct gone_parameter gone_parameters[] = {
#define X(Name, what) {#Name, what},
	RPCBUF_GONE_OPTIONS(X)
#undef X
};
const size_t nr_gone_parameters =
	sizeof(gone_parameters) / sizeof(*gone_parameters);

static const char *const words[] = {
#define X(word, name) [RPCBUF_BACKEND_##name] = #word,
	RPCBUF_BACKENDS(X)
#undef X
};
#define NR_WORDS (sizeof(words) / sizeof(*words))

static void join_words(char *text, size_t len)
{
	size_t at = 0;

	for (size_t i = 0; i < NR_WORDS && at < len; i++)
		at += (size_t)snprintf(text + at, len - at, "%s%s",
				       !i		  ? ""
				       : i + 1 < NR_WORDS ? ", "
							  : " or ",
				       words[i]);
}

void parameter_range(const struct parameter *parameter, char *text, size_t len)
{
	static const char *const units[] = {
		[UNIT_NUMBER] = "",
		[UNIT_BYTES] = "bytes, ",
		[UNIT_PAGES] = "bytes, ",
		[UNIT_US] = "microseconds, ",
		[UNIT_SECONDS] = "seconds, ",
		[UNIT_RATE] = "bytes per second, ",
	};

	if (parameter->unit == UNIT_BACKEND)
		join_words(text, len);
	else if (parameter->unit == UNIT_PATH)
		snprintf(text, len, "absolute path");
	else
		snprintf(text, len, "%s%" PRIu64 " to %" PRIu64,
			 units[parameter->unit], parameter->least,
			 parameter->most);
}

void parameter_default(const struct parameter *parameter, char *text,
		       size_t len)
{
	if (parameter->unit == UNIT_BACKEND)
		snprintf(text, len, "%s", words[parameter->initial]);
	else if (parameter->unit == UNIT_PATH ||
		 parameter->initial < parameter->least)
		snprintf(text, len, "%s", "");
	else
		snprintf(text, len, "%" PRIu64, parameter->initial);
}

/* Breaks lines between words; each begins with a tab. */
static void print_sentences(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (!column || column + 1 + word > COLUMNS) {
			fputs(column ? "\n\t" : "\t", out);
			column = 8 + word;
		} else {
			fputc(' ', out);
			column += 1 + word;
		}
		fwrite(text, 1, word, out);
		text += word;
		text += strspn(text, " ");
	}
	if (column)
		fputc('\n', out);
}

static void print_one(FILE *out, const struct parameter *parameter)
{
	char range[96], initial[32];

	parameter_range(parameter, range, sizeof(range));
	parameter_default(parameter, initial, sizeof(initial));
	fprintf(out, "%*s%s (%s%s%s%s)\n",
		parameter->place == PARAMETER_TUNING ? 6 : 4, "",
		parameter->name, range,
		parameter->unit == UNIT_PAGES ? ", a multiple of 4096" : "",
		initial[0] ? "; default " : "", initial);
	print_sentences(out, parameter->what);
	print_sentences(out, parameter->when);
}

static void print_place(FILE *out, enum parameter_place place)
{
	for (size_t i = 0; i < nr_parameters; i++)
		if (parameters[i].place == place)
			print_one(out, &parameters[i]);
}

void parameters_print(FILE *out)
{
	fputs("Parameters of ganesha.conf, all of them optional; "
	      "ganesha-rpcbuf-config(8) says more.\n\nRPCBUF {\n",
	      out);
	print_place(out, PARAMETER_USER);
	fputs("\n    Tuning {   # seldom needed\n", out);
	print_place(out, PARAMETER_TUNING);
	fputs("    }\n}\n", out);
}
