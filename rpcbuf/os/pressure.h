/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The system's word that memory is short (pressure stall information), and a
 * thread's sleep until that, a kick, or a time limit.
 *
 * Threads: one waits, any may kick, who opened closes when neither does.
 */
#ifndef RPCBUF_OS_PRESSURE_H
#define RPCBUF_OS_PRESSURE_H

#include <stdbool.h>

struct os_pressure {
	int kick_fd;	/* eventfd */
	int trigger_fd; /* -1: the kernel tells nothing */
};

/*
 * @trigger: ask the kernel for word of pressure, of the process's cgroup where
 * that has any, else of the system.  Where neither is offered os_pressure_wait()
 * still works and never reports pressure.  0, or -errno without a kick_fd.
 */
int os_pressure_open(struct os_pressure *pressure, bool trigger);
void os_pressure_close(struct os_pressure *pressure);

/* Ends the present wait, or the next. */
void os_pressure_kick(struct os_pressure *pressure);

/* Sleeps for up to @ms milliseconds.  True when tasks stalled for memory. */
bool os_pressure_wait(struct os_pressure *pressure, int ms);

#endif /* RPCBUF_OS_PRESSURE_H */
