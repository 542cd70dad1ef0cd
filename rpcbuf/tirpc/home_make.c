/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What all transports of the process share is made with the first transport and
 * freed with the last one.
 *
 * Any thread, under home.lock.
 */
#include <errno.h>
#include <unistd.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/tirpc/encode.h"
#include <rpcbuf/why.h>

#include "rpcbuf/tirpc/tirpc_private.h"

static void mark_child(void)
{
	home.forked = true;
}

static int register_fork_handlers(void)
{
	static bool registered;

	if (!registered &&
	    pthread_atfork(deliver_before_fork, NULL, mark_child))
		return -ENOMEM;
	registered = true;
	return 0;
}

static void log_line(const char *sentence)
{
	svc_log(&home.options, RPCBUF_LOG_ERROR, "%s", sentence);
}

static int make_mm(const struct rpcbuf_svc_options *o)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	home.own_mm = !o->mm;
	home.mm = o->mm;
	options.memory = o->memory;
	options.log = log_line;
	return o->mm ? 0 : rpcbuf_create(&home.mm, &options);
}

static void free_home(void)
{
	encode_home_free();
	rpcbuf_rqst_destroy(home.rqst);
	rpcbuf_mempool_destroy(home.reserve);
	if (home.own_mm && home.mm)
		rpcbuf_destroy(home.mm);
	home.rqst = NULL;
	home.reserve = NULL;
	home.mm = NULL;
}

static unsigned int pages_of_call(const struct rpcbuf_svc_options *o)
{
	return rpcbuf_pages_spanned(RPCBUF_PAGE_SIZE - 1, o->limits.max_length);
}

/* The budget must have pages for the longest call now, not only with the first
 * call. */
static int try_pages(unsigned int nr)
{
	struct rpcbuf_mempool *pages;
	int err = rpcbuf_mempool_create(&pages, home.mm, nr);

	if (!err)
		rpcbuf_mempool_destroy(pages);
	return err;
}

static int make_home(const struct rpcbuf_svc_options *o)
{
	unsigned int maxpages = pages_of_call(o);
	int err = register_fork_handlers();

	if (err) {
		svc_log(o, RPCBUF_LOG_ERROR, "cannot register fork handlers");
		return err;
	}
	err = make_mm(o);
	if (!err)
		err = rpcbuf_mempool_create(&home.reserve, home.mm,
					    REPLY_RESERVE);
	if (!err)
		err = try_pages(maxpages);
	if (!err)
		err = rpcbuf_rqst_create(&home.rqst, home.mm, NULL,
					 rpcbuf_min(maxpages, RECEIVE_PAGES));
	if (!err) {
		home.pid = getpid();
		home.forked = false;
		home.options = *o;
		return 0;
	}
	svc_log(o, RPCBUF_LOG_ERROR,
		"no room for a call of %u bytes and a reply, %u pages, within "
		"the budget: %s",
		o->limits.max_length, maxpages + REPLY_RESERVE, rpcbuf_why());
	free_home();
	return err;
}

int home_get(const struct rpcbuf_svc_options *o)
{
	int err = 0;

	pthread_mutex_lock(&home.lock);
	if (!home.refs) {
		err = make_home(o);
	} else if (!home_is_ours(o)) {
		err = -ECHILD;
	} else if (o->mm && o->mm != home.mm) {
		svc_log(o, RPCBUF_LOG_ERROR,
			"all transports of a process share one instance, and "
			"there are %u with another one",
			home.refs);
		err = -EINVAL;
	}
	if (!err)
		home.refs++;
	pthread_mutex_unlock(&home.lock);
	return err;
}

void home_put(void)
{
	pthread_mutex_lock(&home.lock);
	if (!--home.refs)
		free_home();
	pthread_mutex_unlock(&home.lock);
}
