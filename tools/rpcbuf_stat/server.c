/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"
#include "server.h"

#define SERVERS_MAX 64

pid_t server_pid(const struct server *server, const struct sample *sample)
{
	return server->pid ? server->pid : sample->pid;
}

int server_read(const struct server *server, struct sample *sample,
		struct fault *fault)
{
	return sample_read(server->path, sample, fault);
}

int server_check(const struct server *server, const struct sample *sample,
		 struct fault *fault)
{
	pid_t pid = server_pid(server, sample);

	if (process_runs(pid, &sample->written))
		return STAT_OK;
	return fault_set(fault, STAT_ENDED,
			 "process %d, which wrote %s, has ended", (int)pid,
			 server->path);
}

/* A file in the folder is named after its process. */
static pid_t pid_of_name(const char *name)
{
	char *end;
	long pid;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	errno = 0;
	pid = strtol(name, &end, 10);
	return errno || *end || pid > INT_MAX ? 0 : (pid_t)pid;
}

static int by_pid(const void *a, const void *b)
{
	const pid_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static bool runs(const char *folder, pid_t pid)
{
	static struct sample sample;
	struct server server = {.pid = pid};
	static struct fault ignored;

	snprintf(server.path, sizeof(server.path), "%s/%d", folder, (int)pid);
	return server_read(&server, &sample, &ignored) == STAT_OK &&
	       server_check(&server, &sample, &ignored) == STAT_OK;
}

/* The servers that run, sorted; -errno when @folder cannot be read.  @left is
 * how many files of others there are. */
static int list(const char *folder, pid_t *pids, unsigned int *left)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	int nr = 0;

	*left = 0;
	if (!dir)
		return -errno;
	while (nr < SERVERS_MAX && (entry = readdir(dir))) {
		pid_t pid = pid_of_name(entry->d_name);

		if (!pid)
			continue;
		if (runs(folder, pid))
			pids[nr++] = pid;
		else
			(*left)++;
	}
	closedir(dir);
	qsort(pids, (size_t)nr, sizeof(*pids), by_pid);
	return nr;
}

static int no_server(const char *folder, unsigned int left, struct fault *fault)
{
	return fault_set(fault, STAT_NO_SERVER,
			 "no running server writes its statistics to %s%s; "
			 "one whose configuration names another file is read "
			 "with: rpcbuf-stat FILE",
			 folder,
			 left ? " (what is there was left by others)" : "");
}

static int several(const pid_t *pids, int nr, const char *folder,
		   struct fault *fault)
{
	char command[56];
	size_t at;

	fault_set(fault, STAT_SEVERAL,
		  "%d servers write their statistics to %s; "
		  "name one by its process id:\n"
		  "      PID  COMMAND",
		  nr, folder);
	for (int i = 0; i < nr; i++) {
		at = strlen(fault->text);
		process_command(pids[i], command, sizeof(command));
		snprintf(fault->text + at, sizeof(fault->text) - at,
			 "\n  %7d  %s", (int)pids[i], command);
	}
	return fault->status;
}

int server_only(const char *folder, struct server *server, struct fault *fault)
{
	pid_t pids[SERVERS_MAX];
	unsigned int left;
	int nr = list(folder, pids, &left);

	if (nr == 0 || nr == -ENOENT)
		return no_server(folder, left, fault);
	if (nr < 0)
		return fault_set_file(fault, folder, -nr);
	if (nr > 1)
		return several(pids, nr, folder, fault);
	server->pid = pids[0];
	snprintf(server->path, sizeof(server->path), "%s/%d", folder,
		 (int)pids[0]);
	return STAT_OK;
}

int server_by_pid(const char *folder, pid_t pid, struct server *server,
		  struct fault *fault)
{
	char name[64];

	server->pid = pid;
	snprintf(server->path, sizeof(server->path), "%s/%d", folder, (int)pid);
	if (access(server->path, F_OK) == 0)
		return STAT_OK;
	if (!process_runs(pid, NULL))
		return fault_set(fault, STAT_NO_PROCESS,
				 "there is no process %d", (int)pid);
	/* In a container it has a /run, and perhaps an id, of its own. */
	snprintf(server->path, sizeof(server->path), "/proc/%d/root%s/%d",
		 (int)pid, folder, (int)process_inner_pid(pid));
	if (access(server->path, F_OK) == 0)
		return STAT_OK;
	process_name(pid, name, sizeof(name));
	return fault_set(fault, STAT_NOT_OURS,
			 "process %d (%s) has no statistics in %s: "
			 "it is no rpcbuf server, its configuration names "
			 "another file, or it has a /run of its own that only "
			 "root can look into",
			 (int)pid, name, folder);
}

int server_by_file(const char *path, struct server *server, struct fault *fault)
{
	if (strlen(path) >= sizeof(server->path))
		return fault_set_file(fault, path, ENAMETOOLONG);
	server->pid = 0;
	snprintf(server->path, sizeof(server->path), "%s", path);
	return STAT_OK;
}
