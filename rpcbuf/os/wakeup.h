/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How long the system's processors may take to wake up (PM QoS,
 * Documentation/power/pm_qos_interface.rst).  A request lasts until it is
 * changed, or its descriptor is closed, by the end of the process too.
 */
#ifndef RPCBUF_OS_WAKEUP_H
#define RPCBUF_OS_WAKEUP_H

#include <stdbool.h>

#define OS_WAKEUP_ANY -1

/* A descriptor of a request that asks for nothing yet, or -errno: it takes
 * root, as a rule. */
int os_wakeup_open(void);

/*
 * Idle processors, all of them, take at most @us microseconds to wake up; 0:
 * they poll and do not halt.  OS_WAKEUP_ANY: as they like.  0 or -errno.
 */
int os_wakeup_limit(int fd, int us);

/* True in a guest that the cpuidle driver haltpoll serves: to halt there is to
 * leave the guest, and only the limit 0 keeps it from that. */
bool os_wakeup_halts(void);

#endif /* RPCBUF_OS_WAKEUP_H */
