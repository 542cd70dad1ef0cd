/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The semaphores of the probes: once, wherever the library is linked in.
 * `used`: who raises one is nobody that a link-time optimizer sees.
 */
#define PROBE_SEMAPHORE_IS(name) __attribute__((used)) unsigned short name
#include <rpcbuf/os/probes.h>
