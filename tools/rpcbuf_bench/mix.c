/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"

#define MADE_REQUESTS 1000u
#define MADE_SEED     1u

/* Per 100 requests: metadata in one page, names and small writes in a few,
 * READs and WRITEs of 64 KiB and 1 MiB. */
static const struct {
	unsigned int share, pages;
} made[] = {
	{82, 1}, {7, 2}, {3, 3}, {2, 17}, {2, 200}, {4, 257},
};

static bool add_request(struct mix *mix, unsigned int pages)
{
	unsigned int *grown = mix->pages;

	/* The array doubles at each power of two. */
	if (!(mix->nr & (mix->nr - 1)))
		grown = realloc(mix->pages, (mix->nr ? mix->nr * 2ul : 1ul) *
						    sizeof(*grown));
	if (!grown)
		return false;
	mix->pages = grown;
	mix->pages[mix->nr++] = pages;
	mix->total += pages;
	return true;
}

static bool make_default_mix(struct mix *mix)
{
	uint32_t random = MADE_SEED;

	for (unsigned int i = 0; i < MADE_REQUESTS; i++) {
		random = random * 1664525u + 1013904223u;
		unsigned int at = (random >> 16) % 100, j = 0;

		while (at >= made[j].share)
			at -= made[j++].share;
		if (!add_request(mix, made[j].pages))
			return false;
	}
	return true;
}

/* Prints an error for an invalid line. */
static bool parse_line(struct mix *mix, const char *path, unsigned int line,
		       char *text)
{
	unsigned long pages;
	char *end;

	text += strspn(text, " \t");
	text[strcspn(text, "\r\n")] = '\0';
	if (!*text || *text == '#')
		return true;
	errno = 0;
	pages = strtoul(text, &end, 10);
	end += strspn(end, " \t");
	if (!isdigit((unsigned char)*text) || *end || errno || pages < 1 ||
	    pages > MIX_PAGES_MAX) {
		fprintf(stderr,
			"rpcbuf-bench: %s, line %u: '%s' is not a number of pages "
			"from 1 to %u\n",
			path, line, text, MIX_PAGES_MAX);
		return false;
	}
	if (mix->nr == MIX_REQUESTS_MAX) {
		fprintf(stderr, "rpcbuf-bench: %s has more than %u requests\n",
			path, MIX_REQUESTS_MAX);
		return false;
	}
	return add_request(mix, (unsigned int)pages);
}

static bool read_mix(struct mix *mix, const char *path, FILE *file)
{
	unsigned int line = 0;
	char text[256];

	while (fgets(text, sizeof(text), file))
		if (!parse_line(mix, path, ++line, text))
			return false;
	if (ferror(file)) {
		fprintf(stderr, "rpcbuf-bench: %s: %s\n", path,
			strerror(errno));
		return false;
	}
	if (!mix->nr)
		fprintf(stderr, "rpcbuf-bench: %s has no request\n", path);
	return mix->nr > 0;
}

bool mix_read(struct mix *mix, const char *path)
{
	FILE *file;
	bool read;

	*mix = (struct mix){0};
	if (!path)
		return make_default_mix(mix);
	file = fopen(path, "re");
	if (!file) {
		fprintf(stderr, "rpcbuf-bench: %s: %s\n", path,
			strerror(errno));
		return false;
	}
	read = read_mix(mix, path, file);
	fclose(file);
	if (!read)
		mix_free(mix);
	return read;
}

void mix_free(struct mix *mix)
{
	free(mix->pages);
	*mix = (struct mix){0};
}
