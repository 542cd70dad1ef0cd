/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What all transports of the process share: the instance, the vector that
 * svc_run() receives into, the reserve of the replies.  Made with the first
 * transport, freed with the last one.
 *
 * Any thread, under home.lock.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/ratelimit.h"
#include "rpcbuf/tirpc/encode.h"
#include <rpcbuf/why.h>

#include "rpcbuf/tirpc/tirpc_private.h"

#define SEND_TIMEOUT_MAX 3600u

struct home home = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.conns = {&home.conns, &home.conns},
};

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;

void table_lock(void)
{
	pthread_mutex_lock(&table);
}

void table_unlock(void)
{
	pthread_mutex_unlock(&table);
}

static void write_line(const struct rpcbuf_svc_options *options,
		       enum rpcbuf_log_level level, const char *line)
{
	if (options && options->log)
		options->log(level, line);
	else
		fprintf(stderr, "rpcbuf: %s\n", line);
}

void svc_log(const struct rpcbuf_svc_options *options,
	     enum rpcbuf_log_level level, const char *format, ...)
{
	static struct ratelimit limit = RATELIMIT_INIT;
	unsigned int left_out;
	char line[256];
	va_list args;

	if (!ratelimit_ok(&limit, os_now(), &left_out))
		return;
	if (left_out) {
		snprintf(line, sizeof(line), "%u lines like the last left out",
			 left_out);
		write_line(options, level, line);
	}
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	write_line(options, level, line);
}

static bool out_of_range(const struct rpcbuf_svc_options *o, const char *name,
			 uint64_t value, uint64_t least, uint64_t most)
{
	if (value >= least && value <= most)
		return false;
	svc_log(o, RPCBUF_LOG_ERROR, "%s is %llu, must be from %llu to %llu",
		name, (unsigned long long)value, (unsigned long long)least,
		(unsigned long long)most);
	return true;
}

bool svc_options(const struct rpcbuf_svc_options *given,
		 struct rpcbuf_svc_options *o)
{
	const struct rpcbuf_svc_options init = RPCBUF_SVC_OPTIONS_INIT;
	const uint32_t max_length = (RPCBUF_RQST_MAXPAGES_MAX - 2)
				    << RPCBUF_PAGE_SHIFT;

	*o = init;
	if (given && given->size > sizeof(*o)) {
		out_of_range(NULL, "size of the options", given->size,
			     sizeof(size_t), sizeof(*o));
		errno = EINVAL;
		return false;
	}
	if (given)
		memcpy(o, given, given->size);
	o->size = sizeof(*o);
	if ((!o->mm && out_of_range(o, "memory", o->memory, RPCBUF_MEMORY_MIN,
				    RPCBUF_MEMORY_MAX)) ||
	    out_of_range(o, "limits.max_length", o->limits.max_length,
			 RPCBUF_CALL_MIN, max_length) ||
	    out_of_range(o, "limits.max_fragments", o->limits.max_fragments, 1,
			 UINT32_MAX) ||
	    out_of_range(o, "limits.min_length", o->limits.min_length, 0,
			 o->limits.max_length) ||
	    out_of_range(o, "send_timeout", o->send_timeout, 1,
			 SEND_TIMEOUT_MAX)) {
		errno = EINVAL;
		return false;
	}
	return true;
}

bool home_is_ours(const struct rpcbuf_svc_options *options)
{
	if (!home.forked)
		return true;
	svc_log(options, RPCBUF_LOG_ERROR,
		"the instance was made by process %d, of which process %d is a "
		"fork: create transports after daemon() or fork()",
		(int)home.pid, (int)getpid());
	return false;
}

static void mark_child(void)
{
	home.forked = true;
}

static int watch_forks(void)
{
	static bool watched;

	if (!watched && pthread_atfork(deliver_before_fork, NULL, mark_child))
		return -ENOMEM;
	watched = true;
	return 0;
}

static void log_misuse(const char *sentence)
{
	svc_log(&home.options, RPCBUF_LOG_ERROR, "%s", sentence);
}

static int make_mm(const struct rpcbuf_svc_options *o)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	home.own_mm = !o->mm;
	home.mm = o->mm;
	options.memory = o->memory;
	options.log = log_misuse;
	return o->mm ? 0 : rpcbuf_create(&home.mm, &options);
}

static void unmake(void)
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

static unsigned int pages_of(const struct rpcbuf_svc_options *o)
{
	return rpcbuf_pages_spanned(RPCBUF_PAGE_SIZE - 1, o->limits.max_length);
}

/* Pages for the longest call must be there now, not with the first call. */
static int try_pages(unsigned int nr)
{
	struct rpcbuf_mempool *pages;
	int err = rpcbuf_mempool_create(&pages, home.mm, nr);

	if (!err)
		rpcbuf_mempool_destroy(pages);
	return err;
}

static int make(const struct rpcbuf_svc_options *o)
{
	unsigned int maxpages = pages_of(o);
	int err = watch_forks();

	if (err) {
		svc_log(o, RPCBUF_LOG_ERROR, "no memory to be told of forks");
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
	unmake();
	return err;
}

int home_get(const struct rpcbuf_svc_options *o)
{
	int err = 0;

	pthread_mutex_lock(&home.lock);
	if (!home.refs) {
		err = make(o);
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
		unmake();
	pthread_mutex_unlock(&home.lock);
}

static int set_address(struct netbuf *to, const struct sockaddr_storage *from,
		       socklen_t len)
{
	to->buf = malloc(sizeof(*from));
	if (!to->buf)
		return -ENOMEM;
	memcpy(to->buf, from, sizeof(*from));
	to->maxlen = sizeof(*from);
	to->len = len;
	return 0;
}

int xprt_addresses(SVCXPRT *xprt, bool remote)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);

	if (getsockname(xprt->xp_fd, (void *)&ss, &len))
		return -errno;
	if (set_address(&xprt->xp_ltaddr, &ss, len))
		return -ENOMEM;
	if (!remote)
		return 0;
	memset(&ss, 0, sizeof(ss));
	len = sizeof(ss);
	if (getpeername(xprt->xp_fd, (void *)&ss, &len))
		return -errno;
	if (ss.ss_family == AF_INET || ss.ss_family == AF_INET6) {
		xprt->xp_addrlen = (int)len;
		memcpy(&xprt->xp_raddr, &ss, sizeof(xprt->xp_raddr));
	} else {
		xprt->xp_addrlen = sizeof(struct sockaddr);
		xprt->xp_raddr.sin6_family = AF_UNSPEC;
	}
	return set_address(&xprt->xp_rtaddr, &ss, len);
}

void xprt_free_addresses(SVCXPRT *xprt)
{
	free(xprt->xp_ltaddr.buf);
	free(xprt->xp_rtaddr.buf);
	free(xprt->xp_netid); /* libtirpc's strdup(), as is xp_tp */
	free(xprt->xp_tp);
}

const char *rpcbuf_svc_backend(void)
{
	const char *name = NULL;

	pthread_mutex_lock(&home.lock);
	if (home.engine)
		name = rpcbuf_engine_backend(home.engine);
	pthread_mutex_unlock(&home.lock);
	return name;
}

void rpcbuf_svc_stats(struct rpcbuf_svc_stats *stats,
		      struct rpcbuf_engine_stats *engine)
{
#define X(name, what) stats->name = os_load(&home.stats.name);
	RPCBUF_SVC_STATS(X)
#undef X
	if (!engine)
		return;
	memset(engine, 0, sizeof(*engine));
	pthread_mutex_lock(&home.lock);
	if (home.engine)
		rpcbuf_engine_stats(home.engine, engine);
	pthread_mutex_unlock(&home.lock);
}
