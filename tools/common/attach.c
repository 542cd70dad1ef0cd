/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "process.h"

#define FOUND_MAX  64
#define REFRESH_MS 2000
#define PREFIX_LEN (sizeof(RPCBUF_SEGMENT_PREFIX) - 1)

/* A segment that is cut while it is mapped. */
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
			"%s has another version than this tool's, %u: the tools and the program are of different releases",
			path, RPCBUF_SEGMENT_VERSION);
	case -ENODATA:
		return fault_set(fault, FAULT_CUT_SHORT, "%s is cut short",
				 path);
	case -EBADMSG:
		return fault_set(
			fault, FAULT_DAMAGED,
			"%s is damaged: what it says of itself cannot be",
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
	return errno || (*end && *end != '-') || pid > INT_MAX ? 0 : (pid_t)pid;
}

/* What a look through a folder found. */
struct finding {
	char paths[FOUND_MAX][PATH_MAX];
	pid_t pids[FOUND_MAX];
	char programs[FOUND_MAX][72];
	unsigned int nr;
	unsigned int ended;  /* left by programs that are gone */
	unsigned int closed; /* of other users */
};

static bool matches(const struct rpcbuf_segment_header *header,
		    const char *name)
{
	return !name || !strcmp(name, header->name) ||
	       !strcmp(name, header->program);
}

static void look_at(struct finding *finding, const char *path, pid_t pid,
		    const char *name)
{
	const struct rpcbuf_segment_header *header;
	struct rpcbuf_segment *segment;
	int err = rpcbuf_segment_attach(&segment, path);

	if (err) {
		finding->closed += err == -EACCES;
		return;
	}
	header = rpcbuf_segment_header(segment);
	if (!rpcbuf_segment_alive(segment)) {
		finding->ended++;
	} else if (matches(header, name) && finding->nr < FOUND_MAX) {
		unsigned int i = finding->nr++;

		snprintf(finding->paths[i], PATH_MAX, "%s", path);
		snprintf(finding->programs[i], sizeof(finding->programs[i]),
			 "%s%s%s", header->program, header->name[0] ? " " : "",
			 header->name);
		finding->pids[i] = pid;
	}
	rpcbuf_segment_detach(segment);
}

/* 0, or an errno when @folder cannot be read. */
static int look_through(const char *folder, const char *name,
			struct finding *finding)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char path[PATH_MAX];

	if (!dir)
		return errno;
	while ((entry = readdir(dir))) {
		pid_t pid = pid_of_name(entry->d_name);

		if (pid && snprintf(path, sizeof(path), "%s/%s", folder,
				    entry->d_name) < (int)sizeof(path))
			look_at(finding, path, pid, name);
	}
	closedir(dir);
	return 0;
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
			? "; what is there was left by crashed ones, and can be read with --file"
			: "");
}

static int several_found(const char *folder, const struct finding *finding,
			 struct fault *fault)
{
	size_t at;

	fault_set(fault, FAULT_SEVERAL,
		  "%u programs have a segment in %s; name one:", finding->nr,
		  folder);
	for (unsigned int i = 0; i < finding->nr; i++) {
		at = strlen(fault->text);
		snprintf(fault->text + at, sizeof(fault->text) - at,
			 "\n  --pid %-7d  %s", (int)finding->pids[i],
			 finding->programs[i]);
	}
	return fault->status;
}

static int attach_only(const char *folder, const char *name,
		       struct server *server, struct fault *fault)
{
	static struct finding finding;
	int err;

	memset(&finding, 0, sizeof(finding));
	err = look_through(folder, name, &finding);
	if (err && err != ENOENT)
		return fault_set_file(fault, folder, err);
	if (finding.nr == 0)
		return none_found(folder, name, &finding, fault);
	if (finding.nr > 1)
		return several_found(folder, &finding, fault);
	snprintf(server->path, sizeof(server->path), "%s", finding.paths[0]);
	return attach_file(server, fault);
}

/* The first segment of process @inner in @folder, as server->path. */
static bool find_of_pid(const char *folder, pid_t inner, struct server *server)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = pid_of_name(entry->d_name) == inner &&
			snprintf(server->path, sizeof(server->path), "%s/%s",
				 folder,
				 entry->d_name) < (int)sizeof(server->path);
	if (dir)
		closedir(dir);
	return found;
}

/* In a container it has a folder, and perhaps a number, of its own. */
static int attach_pid(const char *folder, const char *text,
		      struct server *server, struct fault *fault)
{
	char inner[PATH_MAX], name[64];
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || *end || pid < 1 || pid > INT_MAX)
		return fault_set(fault, FAULT_NO_PROCESS,
				 "%s is not the id of any process", text);
	server->pid = (pid_t)pid;
	if (find_of_pid(folder, server->pid, server))
		return attach_file(server, fault);
	if (!process_runs(server->pid))
		return fault_set(fault, FAULT_NO_PROCESS,
				 "there is no process %ld", pid);
	if (snprintf(inner, sizeof(inner), "/proc/%ld/root%s", pid, folder) <
		    (int)sizeof(inner) &&
	    find_of_pid(inner, process_inner_pid(server->pid), server))
		return attach_file(server, fault);
	process_name(server->pid, name, sizeof(name));
	return fault_set(
		fault, FAULT_NOT_OURS,
		"process %ld (%s) has no segment in %s: it does not publish, or has a folder of its own there that only root can look into",
		pid, name, folder);
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
	err = rpcbuf_segment_read(server->segment, snapshot);
	if (err == -EAGAIN)
		return fault_set(
			fault, FAULT_DAMAGED,
			"%s stays as it is in the middle of a publication",
			server->path);
	return err ? explain(server->path, err, fault) : FAULT_NONE;
}

int server_watch(const struct server *server, unsigned int what,
		 struct fault *fault)
{
	int err = rpcbuf_segment_watch(server->segment, what);

	return err ? fault_set(
			     fault, FAULT_PERMISSION,
			     "%s cannot be written to: nobody can ask its program for more than it shows by itself",
			     server->path)
		   : FAULT_NONE;
}
