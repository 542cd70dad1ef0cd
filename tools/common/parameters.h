/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * parameters.h - the parameters of the RPCBUF block of ganesha.conf, as people
 * read about them: what rpcbuf/tbl/options.def says.
 */
#ifndef RPCBUF_COMMON_PARAMETERS_H
#define RPCBUF_COMMON_PARAMETERS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum parameter_place {
	PARAMETER_USER,	  /* in the RPCBUF block */
	PARAMETER_TUNING, /* in its Tuning block */
	PARAMETER_NONE,	  /* an option of the library alone */
};

enum parameter_unit {
	UNIT_NUMBER,
	UNIT_BYTES,
	UNIT_PAGES, /* bytes, a multiple of 4096 */
	UNIT_US,
	UNIT_SECONDS,
	UNIT_RATE, /* bytes per second */
	UNIT_BACKEND,
	UNIT_PATH,
};

struct parameter {
	const char *name;
	enum parameter_place place;
	enum parameter_unit unit;
	uint64_t least, most, initial;
	const char *what, *when;
};
extern const struct parameter parameters[];
extern const size_t nr_parameters;

/* Those that do nothing any more. */
struct gone_parameter {
	const char *name, *what;
};
extern const struct gone_parameter gone_parameters[];
extern const size_t nr_gone_parameters;

/* "bytes, 4096 to 4194304". */
void parameter_range(const struct parameter *parameter, char *text, size_t len);
/* "262144"; "" where the machine chooses, or there is none. */
void parameter_default(const struct parameter *parameter, char *text,
		       size_t len);

/* All of them with what they do, for people. */
void parameters_print(FILE *out);

#endif
