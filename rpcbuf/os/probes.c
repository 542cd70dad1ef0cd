/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The semaphores of the probes: once, wherever the library is linked in.
 * `used`: a link-time optimizer cannot see the kernel or the debugger, which
 * raise them.
 */
#define PROBE_SEMAPHORE_IS(name) __attribute__((used)) unsigned short name
#include <rpcbuf/os/probes.h>
