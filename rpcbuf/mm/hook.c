/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>

#include <rpcbuf/mm/hook.h>
#include <rpcbuf/os/os.h>

enum { HOOK_OFF, HOOK_ON, HOOK_BUSY };

bool hook_list_empty(const struct hook_list *list)
{
	return os_load_acquire(&list->first) == NULL;
}

int hook_add(struct hook_list *list, struct rpcbuf_hook *hook)
{
	struct rpcbuf_hook_link *link;
	int err = -EBUSY;

	os_lock(&list->lock);
	if (os_load(&hook->state) == HOOK_OFF) {
		for (link = &list->first; os_own(link);
		     link = &os_own(link)->next)
			;
		os_store(&hook->next, NULL);
		os_store(&hook->state, HOOK_ON);
		/* Release: partner of hook_list_empty(). */
		os_store_release(link, hook);
		err = 0;
	}
	os_unlock(&list->lock);
	return err;
}

static struct rpcbuf_hook_link *find_hook(struct hook_list *list,
					  const struct rpcbuf_hook *hook)
{
	struct rpcbuf_hook_link *link = &list->first;

	while (os_own(link) && os_own(link) != hook)
		link = &os_own(link)->next;
	return os_own(link) ? link : NULL;
}

int hook_del(struct hook_list *list, struct rpcbuf_hook *hook)
{
	struct rpcbuf_hook_link *link;

	os_lock(&list->lock);
	while ((link = find_hook(list, hook)) &&
	       os_own(&hook->state) == HOOK_BUSY) {
		os_unlock(&list->lock);
		/* Partner: the wake in mark_idle().  Woken for no reason: looks
		 * again. */
		os_futex_wait(os_word(&hook->state), HOOK_BUSY, OS_FOREVER);
		os_lock(&list->lock);
	}
	if (link) {
		os_store_release(link, os_own(&hook->next));
		os_store(&hook->state, HOOK_OFF);
	}
	os_unlock(&list->lock);
	return link ? 0 : -ENOENT;
}

/* Wakes under the lock: hook_del() may return, and the hook be freed, as soon as
 * it gets the lock. */
static void mark_idle(struct rpcbuf_hook *hook)
{
	os_store(&hook->state, HOOK_ON);
	os_futex_wake(os_word(&hook->state), INT32_MAX);
}

struct rpcbuf_hook *hook_next(struct hook_list *list, struct rpcbuf_hook *hook)
{
	struct rpcbuf_hook *next;

	os_lock(&list->lock);
	next = os_own(hook ? &hook->next : &list->first);
	if (hook)
		mark_idle(hook);
	while (next && os_own(&next->state) == HOOK_BUSY)
		next = os_own(&next->next);
	if (next)
		os_store(&next->state, HOOK_BUSY);
	os_unlock(&list->lock);
	return next;
}

void hook_done(struct hook_list *list, struct rpcbuf_hook *hook)
{
	os_lock(&list->lock);
	mark_idle(hook);
	os_unlock(&list->lock);
}
