/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/hook.h - what a registered callback embeds; see budget.h and report.h.
 *
 * The caller allocates the struct that embeds it, zeroed, and does not move it
 * until it is unregistered.  Its size does not change between releases.
 */
#ifndef RPCBUF_HOOK_H
#define RPCBUF_HOOK_H

#include <stdint.h>

struct rpcbuf_hook_link {
	struct rpcbuf_hook *os_private;
};

struct rpcbuf_hook {
	struct rpcbuf_hook_link next; /* private */
	struct {
		uint32_t os_private;
	} state; /* private */
};

#endif /* RPCBUF_HOOK_H */
