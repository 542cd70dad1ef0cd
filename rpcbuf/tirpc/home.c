/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What all transports of the process share: the instance, the vector that
 * svc_run() receives into, the reserve of the replies.  Options, addresses,
 * figures and the log.
 *
 * Any thread.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/ratelimit.h"
#include "rpcbuf/os/sized.h"
#include "rpcbuf/tirpc/tirpc_private.h"

#define SEND_TIMEOUT_MAX 3600u

struct home home = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.conns = {&home.conns, &home.conns},
};

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
		snprintf(line, sizeof(line), "%u similar lines suppressed",
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
	int err;

	*o = init;
	err = given ? sized_read(o, sizeof(*o), given) : 0;
	if (err) {
		svc_log(NULL, RPCBUF_LOG_ERROR, "the options" SIZED_WRONG,
			given->size, sizeof(*o));
		errno = -err;
		return false;
	}
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

int rpcbuf_svc_stats(struct rpcbuf_svc_stats *stats,
		     struct rpcbuf_engine_stats *engine)
{
	static const struct rpcbuf_engine_stats zeroes;
	const struct rpcbuf_svc_stats known = {
#define X(name, ...) .name = os_load(&home.stats.name),
		RPCBUF_SVC_STATS(X)
#undef X
	};
	int err = sized_check(stats->size, sizeof(known));

	if (!err && engine) {
		pthread_mutex_lock(&home.lock);
		err = home.engine ? rpcbuf_engine_stats(home.engine, engine)
				  : sized_write(engine, &zeroes, sizeof(zeroes));
		pthread_mutex_unlock(&home.lock);
	}
	return err ? err : sized_write(stats, &known, sizeof(known));
}
