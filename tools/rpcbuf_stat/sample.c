/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

#define HIST_PREFIX "hist_pages_"

static int not_ours(struct fault *fault, const char *path, const char *why)
{
	return fault_set(fault, STAT_FOREIGN,
			 "%s is not a statistics file of rpcbuf: %s", path,
			 why);
}

/* The server replaces the file as a whole, so an open one does not change. */
static int read_text(const char *path, struct sample *sample,
		     struct fault *fault)
{
	/* A fifo must not keep us waiting for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	size_t len = 0;
	ssize_t n = 1;
	int err;

	if (fd < 0)
		return fault_set_file(fault, path, errno);
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		close(fd);
		return not_ours(fault, path, "it is not a regular file");
	}
	while (n > 0 && len < SAMPLE_TEXT_MAX) {
		n = read(fd, sample->text + len, SAMPLE_TEXT_MAX - len);
		len += n > 0 ? (size_t)n : 0;
	}
	err = errno;
	close(fd);
	if (n < 0)
		return fault_set_file(fault, path, err);
	sample->text[len] = '\0';
	sample->written = st.st_mtim;
	if (len == SAMPLE_TEXT_MAX)
		return not_ours(fault, path, "it is too long");
	if (strlen(sample->text) != len)
		return not_ours(fault, path, "it is not text");
	return STAT_OK;
}

/* Splits `name value` at @line into @name and @value, which has no blank. */
static bool split(const char *line, size_t len, char *name, const char **value,
		  size_t *value_len)
{
	const char *blank = memchr(line, ' ', len);
	size_t name_len = blank ? (size_t)(blank - line) : 0;

	if (!name_len || name_len >= SAMPLE_NAME_MAX)
		return false;
	memcpy(name, line, name_len);
	name[name_len] = '\0';
	*value = blank + 1;
	*value_len = len - name_len - 1;
	return *value_len && !memchr(*value, ' ', *value_len);
}

static bool number(const char *text, size_t len, uint64_t *value)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && end == text + len;
}

/* hist_pages_<2^i> goes to its place in the histogram. */
static bool is_bucket(struct sample *sample, const char *name, uint64_t value)
{
	char bucket[SAMPLE_NAME_MAX];

	for (unsigned int i = 0; i < RPCBUF_HIST_PAGES; i++) {
		snprintf(bucket, sizeof(bucket), HIST_PREFIX "%u", 1u << i);
		if (strcmp(name, bucket) == 0) {
			sample->hist_pages[i] = value;
			return true;
		}
	}
	return false;
}

static bool add_line(struct sample *sample, const char *line, size_t len)
{
	struct sample_counter *counter = &sample->counters[sample->nr_counters];
	const char *text;
	size_t text_len;

	if (sample->nr_counters == SAMPLE_COUNTERS_MAX ||
	    !split(line, len, counter->name, &text, &text_len))
		return false;
	if (strcmp(counter->name, "engine") == 0) {
		snprintf(sample->engine, sizeof(sample->engine), "%.*s",
			 (int)text_len, text);
		return true;
	}
	if (!number(text, text_len, &counter->value))
		return false;
	if (strcmp(counter->name, "pid") == 0)
		sample->pid = counter->value <= INT_MAX ? (pid_t)counter->value
							: 0;
	else if (!is_bucket(sample, counter->name, counter->value))
		sample->nr_counters++;
	return true;
}

static bool begins_like_ours(const char *text)
{
	static const char first[] = "engine ";
	size_t len = strlen(text);

	return len &&
	       strncmp(text, first,
		       len < sizeof(first) ? len : sizeof(first) - 1) == 0;
}

static bool ends_like_ours(const char *text)
{
	const char *end = text + strlen(text);
	char last[SAMPLE_NAME_MAX];

	if (end == text || end[-1] != '\n')
		return false;
	snprintf(last, sizeof(last), "\n" HIST_PREFIX "%u ",
		 1u << (RPCBUF_HIST_PAGES - 1));
	return strstr(text, last) != NULL;
}

static int parse(const char *path, struct sample *sample, struct fault *fault)
{
	const char *line = sample->text;
	const char *end;
	char why[64];

	for (unsigned int nr = 1; *line; nr++, line = end + 1) {
		end = strchr(line, '\n');
		if (add_line(sample, line, (size_t)(end - line)))
			continue;
		snprintf(why, sizeof(why),
			 "its line %u is not a name and a number", nr);
		return not_ours(fault, path, why);
	}
	if (sample->pid <= 0)
		return not_ours(fault, path, "it names no process");
	return STAT_OK;
}

int sample_read(const char *path, struct sample *sample, struct fault *fault)
{
	memset(sample, 0, sizeof(*sample));
	if (read_text(path, sample, fault))
		return fault->status;
	if (!sample->text[0])
		return fault_set(fault, STAT_CUT_SHORT, "%s is empty", path);
	if (!begins_like_ours(sample->text))
		return not_ours(fault, path, "it does not begin like one");
	if (!ends_like_ours(sample->text))
		return fault_set(
			fault, STAT_CUT_SHORT,
			"%s is cut short: the end of the histogram is missing",
			path);
	return parse(path, sample, fault);
}

static const struct sample_counter *find(const struct sample *sample,
					 const char *name)
{
	for (unsigned int i = 0; i < sample->nr_counters; i++)
		if (strcmp(sample->counters[i].name, name) == 0)
			return &sample->counters[i];
	return NULL;
}

bool sample_has(const struct sample *sample, const char *name)
{
	return find(sample, name) != NULL;
}

uint64_t sample_get(const struct sample *sample, const char *name)
{
	const struct sample_counter *counter = find(sample, name);

	return counter ? counter->value : 0;
}
