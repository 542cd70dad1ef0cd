/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Lists of registered callbacks, which run with no lock held.
 *
 * A hook is busy from when hook_next() returned it until the walker asks for
 * the next one: others pass it by meanwhile, and hook_del() waits.  Zeroed
 * memory is an empty list.
 */
#ifndef RPCBUF_MM_HOOK_H
#define RPCBUF_MM_HOOK_H

#include <rpcbuf/hook.h>
#include <rpcbuf/os/lock.h>

struct hook_list {
	struct os_lock lock; /* writes of all links and states */
	struct rpcbuf_hook_link first;
};

/* Without the lock: a moment ago. */
bool hook_list_empty(const struct hook_list *list);

/* 0, or -EBUSY when @hook is on a list. */
int hook_add(struct hook_list *list, struct rpcbuf_hook *hook);

/* Returns when @hook does not run and never will again.  -ENOENT: it is not on
 * the list.  Not to be called by the callback itself. */
int hook_del(struct hook_list *list, struct rpcbuf_hook *hook);

/* Lets go of @hook (NULL: none yet) and returns the next one that is not
 * running, or NULL.  Walk to the end, or finish with hook_done(). */
struct rpcbuf_hook *hook_next(struct hook_list *list, struct rpcbuf_hook *hook);
void hook_done(struct hook_list *list, struct rpcbuf_hook *hook);

#endif /* RPCBUF_MM_HOOK_H */
