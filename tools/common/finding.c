/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finding.h"
#include "process.h"

#define PREFIX_LEN (sizeof(RPCBUF_SEGMENT_PREFIX) - 1)

/* The process id in the name of a segment, or 0. */
static pid_t pid_of_name(const char *name)
{
	char *end;
	long pid;

	if (strncmp(name, RPCBUF_SEGMENT_PREFIX, PREFIX_LEN) ||
	    name[PREFIX_LEN] < '1' || name[PREFIX_LEN] > '9')
		return 0;
	errno = 0;
	pid = strtol(name + PREFIX_LEN, &end, 10);
	return errno || *end != '.' || pid > INT_MAX ? 0 : (pid_t)pid;
}

static bool has_name(const struct rpcbuf_segment_header *header,
		     const char *name)
{
	return !name || !strcmp(name, header->name) ||
	       !strcmp(name, header->program);
}

static bool is_process(const struct rpcbuf_segment_header *header,
		       const struct wanted *wanted)
{
	if (!wanted->pid)
		return true;
	return header->pid == wanted->pid &&
	       (wanted->pid_space ? header->pid_space == wanted->pid_space
				  : header->start_ticks == wanted->start_ticks);
}

static void add_segment(struct finding *finding, const char *path,
			const struct rpcbuf_segment_header *header)
{
	struct found *found;

	if (finding->nr == FOUND_MAX)
		return;
	found = &finding->found[finding->nr++];
	snprintf(found->path, sizeof(found->path), "%s", path);
	snprintf(found->program, sizeof(found->program), "%s%s%s",
		 header->program, header->name[0] ? " " : "", header->name);
	found->pid = process_seen_here(header->pid, header->pid_space);
}

static void look_at(struct finding *finding, const char *path,
		    const struct wanted *wanted)
{
	const struct rpcbuf_segment_header *header;
	struct rpcbuf_segment *segment;
	int err = rpcbuf_segment_attach(&segment, path);
	bool ended;

	if (err == -EACCES) {
		finding->closed++;
		snprintf(finding->closed_path, sizeof(finding->closed_path),
			 "%s", path);
	}
	if (err)
		return;
	header = rpcbuf_segment_header(segment);
	if (is_process(header, wanted)) {
		ended = !rpcbuf_segment_alive(segment);
		finding->ended += ended;
		if (ended == wanted->ended && has_name(header, wanted->name))
			add_segment(finding, path, header);
	}
	rpcbuf_segment_detach(segment);
}

int finding_look(struct finding *finding, const char *folder,
		 const struct wanted *wanted)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char path[PATH_MAX];

	if (!dir)
		return errno;
	while ((entry = readdir(dir))) {
		pid_t pid = pid_of_name(entry->d_name);

		if (!pid || (wanted->pid && pid != wanted->pid))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder,
			     entry->d_name) < (int)sizeof(path))
			look_at(finding, path, wanted);
	}
	closedir(dir);
	return 0;
}
