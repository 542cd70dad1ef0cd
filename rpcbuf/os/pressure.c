/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rpcbuf/os/bits.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/pressure.h>

/* Some task waited for memory for 150 ms within 2 s.  Unprivileged processes
 * may only ask for windows of whole 2 s. */
#define TRIGGER "some 150000 2000000"
/* Between two looks at the figures of the groups. */
#define LOOK_NS UINT64_C(200000000)

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

/* Of this process's group in the unified hierarchy.  The root group has no more to
 * say than the system. */
static int open_group_trigger(const char *root)
{
	char path[PATH_MAX + 64];
	struct os_cgroup group;

	os_cgroup_find(&group, root, NULL);
	if (strlen(group.path) <= group.top)
		return -1;
	snprintf(path, sizeof(path), "%s/memory.pressure", group.path);
	return open_trigger(path);
}

/* Asks for a count in the eventfd @to whenever @file has news: version 1's way. */
static void ask_for(const struct os_cgroup *group, const char *control, int to,
		    const char *file, const char *about)
{
	char path[PATH_MAX + 64], line[64];
	int fd, control_fd, n;

	snprintf(path, sizeof(path), "%s/%s", group->path, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	control_fd = open(control, O_WRONLY | O_CLOEXEC);
	n = snprintf(line, sizeof(line), "%d %d %s", to, fd, about);
	if (fd >= 0 && control_fd >= 0)
		(void)!write(control_fd, line, (size_t)n);
	if (fd >= 0)
		close(fd);
	if (control_fd >= 0)
		close(control_fd);
}

/* Word of the group's own: that it nears its limit, or is given back some of what
 * it used.  -1: there is none. */
static int open_group(const struct os_cgroup *group)
{
	char path[PATH_MAX + 64], about[32];
	uint64_t limit = os_cgroup_memory(group);
	int fd;

	if (limit == UINT64_MAX)
		return -1;
	if (group->unified) {
		snprintf(path, sizeof(path), "%s/memory.events", group->path);
		return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/cgroup.event_control", group->path);
	snprintf(about, sizeof(about), "%" PRIu64, limit - limit / 8);
	ask_for(group, path, fd, "memory.usage_in_bytes", about);
	ask_for(group, path, fd, "memory.pressure_level", "low");
	return fd;
}

int os_pressure_open(struct os_pressure *pressure, bool listen,
		     const char *root)
{
	int kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (kick_fd < 0)
		return -errno;
	*pressure = (struct os_pressure){
		.kick_fd = kick_fd,
		.trigger_fd = -1,
		.group_fd = -1,
	};
	if (!listen)
		return 0;
	pressure->trigger_fd = open_group_trigger(root);
	if (pressure->trigger_fd < 0)
		pressure->trigger_fd = open_trigger("/proc/pressure/memory");
	os_cgroup_find(&pressure->group, root, "memory");
	pressure->group_fd = open_group(&pressure->group);
	return 0;
}

void os_pressure_close(struct os_pressure *pressure)
{
	close(pressure->kick_fd);
	if (pressure->trigger_fd >= 0)
		close(pressure->trigger_fd);
	if (pressure->group_fd >= 0)
		close(pressure->group_fd);
}

void os_pressure_kick(struct os_pressure *pressure)
{
	os_eventfd_signal(pressure->kick_fd);
}

/* Consumes the event, so that the next poll waits for others. */
static void read_group(struct os_pressure *pressure)
{
	char text[512];

	if (pread(pressure->group_fd, text, sizeof(text), 0) < 0)
		(void)!read(pressure->group_fd, text, sizeof(text));
}

/* The groups' figures are read so often at most. */
static bool group_is_short(struct os_pressure *pressure)
{
	uint64_t now = os_now();

	if (!pressure->group.path[0] || now < pressure->look_ns)
		return false;
	pressure->look_ns = now + LOOK_NS;
	return os_memory_is_short(&pressure->group);
}

/* The last of @fds is that of the group, which may have news as often as memory is
 * taken: they are not waited for until its figures may be read again. */
static int wait_for_news(const struct os_pressure *pressure,
			 struct pollfd fds[3], int ms)
{
	uint64_t now = os_now();
	int pause, ready;

	if (pressure->group_fd >= 0 && now < pressure->look_ns) {
		pause = (int)((pressure->look_ns - now) / OS_MS_NS) + 1;
		pause = rpcbuf_min(pause, ms);
		ready = poll(fds, 2, pause);
		ms -= pause;
		if (ready || !ms)
			return ready;
	}
	return poll(fds, 3, ms);
}

bool os_pressure_wait(struct os_pressure *pressure, int ms)
{
	struct pollfd fds[3] = {
		{.fd = pressure->kick_fd, .events = POLLIN},
		{.fd = pressure->trigger_fd, .events = POLLPRI},
		{.fd = pressure->group_fd,
		 .events = pressure->group.unified ? POLLPRI : POLLIN},
	};
	bool pressed = false;
	uint64_t kicks;

	if (wait_for_news(pressure, fds, ms) > 0) {
		if (fds[0].revents)
			(void)!read(pressure->kick_fd, &kicks, sizeof(kicks));
		pressed = fds[1].revents & POLLPRI;
		if (fds[1].revents & POLLERR) {
			/* The group is gone. */
			close(pressure->trigger_fd);
			pressure->trigger_fd = -1;
			pressed = false;
		}
		if (fds[2].revents)
			read_group(pressure);
	}
	return group_is_short(pressure) || pressed;
}
