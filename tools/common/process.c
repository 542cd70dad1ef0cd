/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"

/* Reads /proc/@pid/@file as a string; -1: cannot be read. */
static ssize_t read_proc(pid_t pid, const char *file, char *text, size_t len)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, len - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

bool process_runs(pid_t pid)
{
	char text[1024];
	const char *fields;

	if (kill(pid, 0) < 0 && errno != EPERM)
		return false;
	/* /proc may hide other users' processes.  A zombie still exists. */
	if (read_proc(pid, "stat", text, sizeof(text)) <= 0)
		return true;
	fields = strrchr(text, ')');
	return !fields ||
	       (strncmp(fields, ") Z", 3) && strncmp(fields, ") X", 3));
}

void process_name(pid_t pid, char *name, size_t len)
{
	char text[4096];
	const char *slash;

	if (read_proc(pid, "cmdline", text, sizeof(text)) > 0 && text[0]) {
		slash = strrchr(text, '/');
		snprintf(name, len, "%s", slash ? slash + 1 : text);
	} else if (read_proc(pid, "comm", text, sizeof(text)) > 0) {
		text[strcspn(text, "\n")] = '\0';
		snprintf(name, len, "%s", text);
	} else {
		snprintf(name, len, "process");
	}
}

void process_command(pid_t pid, char *command, size_t len)
{
	ssize_t n = read_proc(pid, "cmdline", command, len);

	if (n <= 0) {
		process_name(pid, command, len);
		return;
	}
	while (n && !command[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!isprint((unsigned char)command[i]))
			command[i] = command[i] ? '?' : ' ';
}

pid_t process_inner_pid(pid_t pid)
{
	char text[8192];
	const char *line;
	char *end;
	long inner = pid;

	if (read_proc(pid, "status", text, sizeof(text)) <= 0)
		return pid;
	line = strstr(text, "\nNSpid:");
	if (!line)
		return pid;
	for (line += strlen("\nNSpid:"); *line != '\n'; line = end) {
		long value = strtol(line, &end, 10);

		if (end == line)
			break;
		inner = value;
	}
	return (pid_t)inner;
}

uint64_t process_pid_space(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

pid_t process_seen_here(pid_t inner, uint64_t pid_space)
{
	const struct dirent *entry;
	pid_t found = 0;
	DIR *dir;

	if (pid_space == process_pid_space(getpid()))
		return inner;
	dir = opendir("/proc");
	while (dir && !found && (entry = readdir(dir))) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid > 0 && process_pid_space(pid) == pid_space &&
		    process_inner_pid(pid) == inner)
			found = pid;
	}
	if (dir)
		closedir(dir);
	return found;
}
