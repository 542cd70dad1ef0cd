/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory pressure: of the system (pressure stall information), or of a control
 * group that nears its limit; and a thread's sleep until that, a kick, or a time
 * limit.
 *
 * Threads: one waits, any may kick; the one that opened closes when neither
 * does.
 */
#ifndef RPCBUF_OS_PRESSURE_H
#define RPCBUF_OS_PRESSURE_H

#include <stdbool.h>

#include <rpcbuf/os/limits.h>

struct os_pressure {
	int kick_fd;	/* eventfd */
	int trigger_fd; /* -1: the kernel tells nothing */
	int group_fd;	/* the same, of the limit of the group */
	struct os_cgroup group;
	uint64_t look_ns; /* not before that */
};

/*
 * @listen: ask the kernel for word of pressure, of the process's cgroup where
 * that has any, else of the system, and look at the cgroup's own figures.
 * Where nothing is offered os_pressure_wait() still works and never reports
 * pressure.
 * @root: as in os/limits.h.  0, or -errno without a kick_fd.
 */
int os_pressure_open(struct os_pressure *pressure, bool listen,
		     const char *root);
void os_pressure_close(struct os_pressure *pressure);

/* Ends the present wait, or the next. */
void os_pressure_kick(struct os_pressure *pressure);

/* Sleeps for up to @ms milliseconds.  True when tasks stalled for memory, or the
 * group is short of it now. */
bool os_pressure_wait(struct os_pressure *pressure, int ms);

#endif /* RPCBUF_OS_PRESSURE_H */
