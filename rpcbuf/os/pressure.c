/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rpcbuf/os/os.h>
#include <rpcbuf/os/pressure.h>

/* Some task waited for memory for 150 ms within 2 s.  Unprivileged processes
 * may only ask for windows of whole 2 s. */
#define TRIGGER "some 150000 2000000"

static int open_trigger(const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	/* The kernel wants the final zero as well. */
	if (write(fd, TRIGGER, sizeof(TRIGGER)) != sizeof(TRIGGER)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The file of this process's group in the unified hierarchy, whose line is
 * "0::/path".  The root group has no more to say than the system. */
static int open_cgroup_trigger(void)
{
	static const char *const mounts[] = { "/sys/fs/cgroup",
					      "/sys/fs/cgroup/unified" };
	char line[PATH_MAX], path[PATH_MAX + 64];
	FILE *file = fopen("/proc/self/cgroup", "re");
	unsigned int i;
	int fd = -1;

	if (!file)
		return -1;
	while (fd < 0 && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::/", 4) != 0 || !line[4])
			continue;
		for (i = 0; fd < 0 && i < 2; i++) {
			snprintf(path, sizeof(path), "%s%s/memory.pressure",
				 mounts[i], line + 3);
			fd = open_trigger(path);
		}
	}
	fclose(file);
	return fd;
}

int os_pressure_open(struct os_pressure *pressure, bool trigger)
{
	int kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (kick_fd < 0)
		return -errno;
	pressure->kick_fd = kick_fd;
	pressure->trigger_fd = -1;
	if (trigger)
		pressure->trigger_fd = open_cgroup_trigger();
	if (trigger && pressure->trigger_fd < 0)
		pressure->trigger_fd = open_trigger("/proc/pressure/memory");
	return 0;
}

void os_pressure_close(struct os_pressure *pressure)
{
	close(pressure->kick_fd);
	if (pressure->trigger_fd >= 0)
		close(pressure->trigger_fd);
}

void os_pressure_kick(struct os_pressure *pressure)
{
	os_eventfd_signal(pressure->kick_fd);
}

bool os_pressure_wait(struct os_pressure *pressure, int ms)
{
	struct pollfd fds[2] = {
		{ .fd = pressure->kick_fd, .events = POLLIN },
		{ .fd = pressure->trigger_fd, .events = POLLPRI },
	};
	uint64_t kicks;

	if (poll(fds, 2, ms) <= 0)
		return false;
	if (fds[0].revents)
		(void)!read(pressure->kick_fd, &kicks, sizeof(kicks));
	if (fds[1].revents & POLLERR) {
		/* The group is gone. */
		close(pressure->trigger_fd);
		pressure->trigger_fd = -1;
		return false;
	}
	return fds[1].revents & POLLPRI;
}
