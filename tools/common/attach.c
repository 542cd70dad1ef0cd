/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "finding.h"
#include "process.h"
#include "rpcbuf/os/segment.h"

#define REFRESH_MS 2000

/* For on_bus_error(): a mapped file that is truncated raises SIGBUS. */
static char attached_path[PATH_MAX];

static void on_bus_error(int signal)
{
	static const char text[] = " was cut short while it was being read\n";

	(void)signal;
	if (write(STDERR_FILENO, attached_path, strlen(attached_path)) < 0 ||
	    write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(FAULT_OUTPUT);
	_exit(FAULT_CUT_SHORT);
}

static int explain(const char *path, int err, struct fault *fault)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
		return fault_set(
			fault, FAULT_PERMISSION,
			"no permission to read %s: its user and root may",
			path);
	case -EPROTO:
		return fault_set(fault, FAULT_FOREIGN,
				 "%s is not a segment of rpcbuf", path);
	case -EPROTONOSUPPORT:
		return fault_set(
			fault, FAULT_VERSION,
			"%s has another version than %u, this tool's: the tool and the program are of different releases",
			path, RPCBUF_SEGMENT_VERSION);
	case -ENODATA:
		return fault_set(fault, FAULT_CUT_SHORT, "%s is cut short",
				 path);
	case -EBADMSG:
		return fault_set(fault, FAULT_DAMAGED,
				 "%s is damaged: its header is inconsistent",
				 path);
	default:
		return fault_set_file(fault, path, -err);
	}
}

static int attach_file(struct server *server, struct fault *fault)
{
	int err = rpcbuf_segment_attach(&server->segment, server->path);

	if (err)
		return explain(server->path, err, fault);
	server->header = rpcbuf_segment_header(server->segment);
	if (!server->pid)
		server->pid = process_seen_here(server->header->pid,
						server->header->pid_space);
	if (!server->pid)
		server->pid = server->header->pid;
	snprintf(attached_path, sizeof(attached_path), "%s", server->path);
	signal(SIGBUS, on_bus_error);
	return FAULT_NONE;
}

void server_detach(struct server *server)
{
	if (server->segment)
		rpcbuf_segment_detach(server->segment);
	server->segment = NULL;
}

int server_check(const struct server *server, struct fault *fault)
{
	if (rpcbuf_segment_alive(server->segment))
		return FAULT_NONE;
	return fault_set(
		fault, FAULT_ENDED, "process %d (%s), which made %s, has ended",
		(int)server->pid, server->header->program, server->path);
}

static int none_found(const char *folder, const char *name,
		      const struct finding *finding, struct fault *fault)
{
	if (finding->closed)
		return fault_set(
			fault, FAULT_PERMISSION,
			"no permission to read the %u segments in %s: their users and root may",
			finding->closed, folder);
	return fault_set(
		fault, FAULT_NO_SERVER,
		"no program %s%s%shas a segment in %s%s",
		name ? "named " : "that runs ", name ? name : "",
		name ? " " : "", folder,
		finding->ended
			? "; crashed programs left segments there, --file reads one"
			: "");
}

/* Lists them by file where the process is not visible here, or has several. */
static int several_found(const char *folder, const struct finding *finding,
			 bool of_one, struct fault *fault)
{
	size_t at;

	fault_set(fault, FAULT_SEVERAL,
		  of_one ? "the process has %u segments in %s; name one:"
			 : "%u programs have a segment in %s; name one:",
		  finding->nr, folder);
	for (unsigned int i = 0; i < finding->nr; i++) {
		const struct found *found = &finding->found[i];

		at = strlen(fault->text);
		if (found->pid && !of_one)
			snprintf(fault->text + at, sizeof(fault->text) - at,
				 "\n  --pid %-7d  %s", (int)found->pid,
				 found->program);
		else
			snprintf(fault->text + at, sizeof(fault->text) - at,
				 "\n  --file %s  %s", found->path,
				 found->program);
	}
	return fault->status;
}

static int attach_found(const struct finding *finding, struct server *server,
			struct fault *fault)
{
	snprintf(server->path, sizeof(server->path), "%s",
		 finding->found[0].path);
	return attach_file(server, fault);
}

static int attach_only(const char *folder, const char *name,
		       struct server *server, struct fault *fault)
{
	const struct wanted wanted = {.name = name};
	static struct finding finding;
	int err;

	memset(&finding, 0, sizeof(finding));
	err = finding_look(&finding, folder, &wanted);
	if (err && err != ENOENT)
		return fault_set_file(fault, folder, err);
	if (finding.nr == 0)
		return none_found(folder, name, &finding, fault);
	if (finding.nr > 1)
		return several_found(folder, &finding, false, fault);
	return attach_found(&finding, server, fault);
}

/* A process in a container may have its own folder, and another process id. */
static void look_for_process(const char *folder, pid_t pid,
			     struct finding *finding)
{
	struct wanted wanted = {
		.pid = process_inner_pid(pid),
		.pid_space = process_pid_space(pid),
		.start_ticks = segment_start_ticks(pid),
	};
	char inner[PATH_MAX];

	finding_look(finding, folder, &wanted);
	if (!finding->nr && !finding->closed &&
	    snprintf(inner, sizeof(inner), "/proc/%d/root%s", (int)pid,
		     folder) < (int)sizeof(inner))
		finding_look(finding, inner, &wanted);
}

/* Segments that an ended process with the id @pid left. */
static void look_for_ended(const char *folder, pid_t pid,
			   struct finding *finding)
{
	const struct wanted wanted = {
		.pid = pid,
		.pid_space = process_pid_space(getpid()),
		.ended = true,
	};

	finding_look(finding, folder, &wanted);
}

static int no_segment(const char *folder, pid_t pid, bool runs,
		      const struct finding *finding, struct fault *fault)
{
	char name[64];

	if (finding->closed)
		return explain(finding->closed_path, -EACCES, fault);
	if (!runs)
		return fault_set(fault, FAULT_NO_PROCESS,
				 "there is no process %d", (int)pid);
	process_name(pid, name, sizeof(name));
	return fault_set(
		fault, FAULT_NOT_OURS,
		"process %d (%s) has no segment in %s: it does not publish, or it runs in a container, whose folder only root can read",
		(int)pid, name, folder);
}

static int attach_pid(const char *folder, const char *text,
		      struct server *server, struct fault *fault)
{
	static struct finding finding;
	char *end;
	bool runs;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || *end || pid < 1 || pid > INT_MAX)
		return fault_set(fault, FAULT_NO_PROCESS,
				 "%s is not the id of any process", text);
	server->pid = (pid_t)pid;
	memset(&finding, 0, sizeof(finding));
	runs = process_runs(server->pid);
	if (runs)
		look_for_process(folder, server->pid, &finding);
	else
		look_for_ended(folder, server->pid, &finding);
	if (finding.nr == 0)
		return no_segment(folder, server->pid, runs, &finding, fault);
	if (finding.nr > 1)
		return several_found(folder, &finding, true, fault);
	return attach_found(&finding, server, fault);
}

int server_attach(const struct target *target, struct server *server,
		  struct fault *fault)
{
	const char *folder = target->folder ? target->folder
					    : RPCBUF_SEGMENT_FOLDER;

	memset(server, 0, sizeof(*server));
	if (target->pid)
		return attach_pid(folder, target->pid, server, fault);
	if (!target->file)
		return attach_only(folder, target->name, server, fault);
	if (strlen(target->file) >= sizeof(server->path))
		return fault_set_file(fault, target->file, ENAMETOOLONG);
	snprintf(server->path, sizeof(server->path), "%s", target->file);
	return attach_file(server, fault);
}

int server_read(const struct server *server, struct rpcbuf_snapshot *snapshot,
		struct fault *fault)
{
	int err;

	if (rpcbuf_segment_alive(server->segment))
		rpcbuf_segment_refresh(server->segment, REFRESH_MS);
	snapshot->size = sizeof(*snapshot);
	err = rpcbuf_segment_read(server->segment, snapshot);
	if (err == -EAGAIN)
		return fault_set(fault, FAULT_DAMAGED,
				 "%s is stuck in a publication", server->path);
	return err ? explain(server->path, err, fault) : FAULT_NONE;
}

int server_watch(const struct server *server, unsigned int what,
		 struct fault *fault)
{
	int err = rpcbuf_segment_watch(server->segment, what);

	return err ? fault_set(
			     fault, FAULT_PERMISSION,
			     "%s is read-only: its program cannot be asked for events or a refresh",
			     server->path)
		   : FAULT_NONE;
}
