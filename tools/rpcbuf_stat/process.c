/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

/* Clocks that disagree by less are the same moment. */
#define SLACK_SECONDS 2.0

/* Reads /proc/@pid/@file; what it has is terminated.  -1 if there is none. */
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

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The state, and the time of start in seconds after the boot, which are the
 * fields 3 and 22; the name before them may have anything in it. */
static bool read_stat(pid_t pid, char *state, double *started)
{
	char text[1024];
	unsigned long long ticks;
	const char *fields;

	if (read_proc(pid, "stat", text, sizeof(text)) <= 0)
		return false;
	fields = strrchr(text, ')');
	if (!fields ||
	    sscanf(fields + 1,
		   " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
		   " %*s %*s %*s %*s %*s %llu",
		   state, &ticks) != 2)
		return false;
	*started = (double)ticks / (double)sysconf(_SC_CLK_TCK);
	return true;
}

bool process_runs(pid_t pid, const struct timespec *since)
{
	double started, wrote;
	char state;

	if (kill(pid, 0) < 0 && errno != EPERM)
		return false;
	/* /proc may hide the processes of others. */
	if (!read_stat(pid, &state, &started))
		return true;
	if (state == 'Z' || state == 'X')
		return false;
	if (!since)
		return true;
	wrote = (double)since->tv_sec + (double)since->tv_nsec / 1e9;
	started += seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME);
	return started <= wrote + SLACK_SECONDS;
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
