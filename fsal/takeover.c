/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The take-over as a whole: page allocator, engine, hook, and the one thread
 * that brings them up when the server is ready and writes statistics after.
 *
 * start() is called by the thread that reads the configuration, stop() by the
 * one that shuts the server down; `lock` orders them and the thread of ours.
 */
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <rpcbuf/budget.h>
#include <rpcbuf/stats.h>
#include <rpcbuf/why.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "encode.h"
#include "listener.h"
#include "payload.h"
#include "read.h"
#include "rpcbuf/engine/show.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/thread.h"
#include "request.h"
#include "rpcbuf/os/bits.h"
#include "share.h"
#include "sizes.h"
#include "stats_file.h"
#include "takeover.h"
#include "xdr_pages.h"
#include "xprt.h"

/* The server has five seconds from SIGTERM in all. */
#define STOP_MS	      4200
/* Period of the check whether the server has started. */
#define START_CHECK_MS 10
/* Pages beside the payload: headers, and a record that begins anywhere. */
#define HEADER_PAGES 2u

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	const struct fsal_rpcbuf_config *config;
	struct rpcbuf *mm;
	struct rpcbuf_engine *engine;
	struct rpcbuf_publisher *publisher; /* or NULL */
	pthread_t thread;
	bool running;  /* the thread is to be joined */
	bool stopping;
} takeover = { .lock = PTHREAD_MUTEX_INITIALIZER,
	       .change = PTHREAD_COND_INITIALIZER };

/*
 * Gives this thread, and those it creates, the capabilities of the server's
 * first thread.  Ganesha drops some of its own when it starts, so that quotas
 * hold; a thread that was created before still has them.
 */
static void take_server_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
		.pid = getpid(),
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return;
	header.pid = 0;
	if (syscall(SYS_capset, &header, data) < 0)
		LogWarn(COMPONENT_INIT,
			"RPCBUF: threads keep capabilities that the server dropped: %s",
			strerror(errno));
}

static void log_line(enum rpcbuf_log_level level, const char *line)
{
	switch (level) {
	case RPCBUF_LOG_ERROR:
		LogCrit(COMPONENT_DISPATCH, "RPCBUF: %s", line);
		break;
	case RPCBUF_LOG_WARNING:
		LogWarn(COMPONENT_DISPATCH, "RPCBUF: %s", line);
		break;
	case RPCBUF_LOG_INFO:
		LogEvent(COMPONENT_DISPATCH, "RPCBUF: %s", line);
		break;
	case RPCBUF_LOG_DEBUG:
		LogDebug(COMPONENT_DISPATCH, "RPCBUF: %s", line);
		break;
	}
}

static void name_thread(const char *name)
{
	SetNameFunction(name);
}

static const struct rpcbuf_handlers handlers = {
	.size = sizeof(handlers),
	.call = request_run,
	.closed = xprt_closed,
	.thread_start = name_thread,
	.thread_stop = request_thread_exit,
	.log = log_line,
	.share = share_of,
	.share_name = "export",
};

static uint32_t longest_record(void)
{
	return takeover.config->max_payload +
	       HEADER_PAGES * (uint32_t)RPCBUF_PAGE_SIZE;
}

static int create_engine(void)
{
	struct rpcbuf_engine_options options = takeover.config->engine;

	options.limits.max_length = longest_record();
	options.handler_size = sizeof(struct xdr_pages);
	options.replies = encode_reserve();
	return rpcbuf_engine_create(&takeover.engine, takeover.mm, &handlers,
				    &options);
}

/* A failure to publish is logged only. */
static void publish_engine(void)
{
	int err =
		show_server(takeover.engine, takeover.mm, &takeover.publisher);

	if (err)
		LogWarn(COMPONENT_INIT, "RPCBUF: " SHOW_FAILED, strerror(-err));
}

/* Waits until the server is up; false when it stops before. */
static bool wait_for_server(void)
{
	bool stopping;

	pthread_mutex_lock(&takeover.lock);
	while (!takeover.stopping && !fsal_rpcbuf_server_is_up())
		os_cond_wait_until(&takeover.change, &takeover.lock,
				   os_now() + START_CHECK_MS * OS_MS_NS);
	stopping = takeover.stopping;
	pthread_mutex_unlock(&takeover.lock);
	return !stopping;
}

/* A failure is fatal: without the take-over the server must not look as if it had
 * one.  Returns false when the server stops. */
static bool take_over(void)
{
	struct rpcbuf_budget budget = RPCBUF_BUDGET_INIT;
	char why[512];
	int err;

	take_server_capabilities();
	err = xprt_try(why, sizeof(why));
	if (err == -ESHUTDOWN)
		return false;
	if (err)
		LogFatal(COMPONENT_INIT, "RPCBUF: %s", why);
	err = encode_start(takeover.mm);
	if (err)
		LogFatal(COMPONENT_INIT,
			 "RPCBUF: cannot create the reply reserve: %s",
			 rpcbuf_why());
	err = create_engine();
	if (err)
		LogFatal(COMPONENT_INIT,
			 "RPCBUF: the receive engine cannot start%s: %s",
			 takeover.config->engine.backend == RPCBUF_BACKEND_URING
				 ? " with Engine = io_uring"
				 : "",
			 rpcbuf_why());
	publish_engine();
	payload_hook(takeover.mm);
	read_start(takeover.mm);
	/* Lower the announced sizes before connections are taken over. */
	if (sizes_hook(takeover.config->max_payload, longest_record()))
		LogWarn(COMPONENT_INIT,
			"RPCBUF: exports that are not over RPCBUF may announce a maxwrite of more than %" PRIu32
			" bytes over NFS v4; larger WRITEs are refused",
			takeover.config->max_payload);
	err = xprt_hook(takeover.engine, &handlers, fsal_rpcbuf_takeover_stop,
			why, sizeof(why));
	if (err)
		LogFatal(COMPONENT_INIT, "RPCBUF: %s", why);
	rpcbuf_budget_get(takeover.mm, &budget);
	LogEvent(COMPONENT_INIT,
		 "RPCBUF: receiving into page vectors: engine %s, budget %" PRIu64
		 " bytes, records up to %" PRIu32 " bytes",
		 rpcbuf_engine_backend(takeover.engine),
		 budget.memory, longest_record());
	return true;
}

static void *takeover_main(void *arg)
{
	(void)arg;
	SetNameFunction("rpcbuf");
	if (!wait_for_server() || !take_over())
		return NULL;
	pthread_mutex_lock(&takeover.lock);
	while (!takeover.stopping) {
		pthread_mutex_unlock(&takeover.lock);
		stats_file_write(takeover.engine, takeover.mm);
		pthread_mutex_lock(&takeover.lock);
		if (!takeover.stopping)
			os_cond_wait_until(&takeover.change, &takeover.lock,
					   os_now() + OS_SECOND_NS);
	}
	pthread_mutex_unlock(&takeover.lock);
	return NULL;
}

static void log_sentence(const char *sentence)
{
	log_line(RPCBUF_LOG_ERROR, sentence);
}

/*
 * Address space for as much memory as the machine has: the budget may grow, and
 * so may the limit of its container, while the process runs.  When a limit on
 * address space forbids that: for the budget only.
 */
static int create_pages(uint64_t memory)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) *
			   (uint64_t)sysconf(_SC_PAGESIZE);
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	int err;

	options.log = log_sentence;
	options.memory = memory;
	options.memory_max = rpcbuf_max(memory, machine);
	err = rpcbuf_create(&takeover.mm, &options);
	if (err != -ENOMEM)
		return err;
	options.memory_max = memory;
	return rpcbuf_create(&takeover.mm, &options);
}

int fsal_rpcbuf_takeover_memory(uint64_t memory, uint64_t *most)
{
	struct rpcbuf_budget budget = RPCBUF_BUDGET_INIT;
	int err = -ESHUTDOWN;

	pthread_mutex_lock(&takeover.lock);
	if (takeover.running) {
		err = rpcbuf_budget_set(takeover.mm, memory);
		rpcbuf_budget_get(takeover.mm, &budget);
		*most = budget.memory_max;
	}
	pthread_mutex_unlock(&takeover.lock);
	return err;
}

int fsal_rpcbuf_takeover_start(const struct fsal_rpcbuf_config *config)
{
	int err;

	if (takeover.running)
		return 0;
	err = create_pages(config->memory);
	if (err) {
		LogCrit(COMPONENT_INIT,
			"RPCBUF: cannot create the page allocator with Memory = %" PRIu64
			": %s",
			config->memory, rpcbuf_why());
		return err;
	}
	takeover.config = config;
	stats_file_open(config->statistics);
	err = os_thread_start(&takeover.thread, takeover_main, NULL);
	if (err) {
		LogCrit(COMPONENT_INIT,
			"RPCBUF: cannot start the take-over thread: %s",
			strerror(-err));
		rpcbuf_destroy(takeover.mm);
		takeover.mm = NULL;
		return err;
	}
	takeover.running = true;
	return 0;
}

/*
 * Answers what was received, closes every connection, ends the threads.  The
 * exchanged functions and the allocator stay to the end of the process: free() asks
 * the allocator whether an address is its own.
 */
static void stop_engine(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	int err;

	listener_stop();
	err = rpcbuf_engine_stop(takeover.engine, STOP_MS);

	rpcbuf_maintain_stop(takeover.mm);
	stats_file_close(takeover.engine, takeover.mm);
	if (takeover.publisher)
		rpcbuf_publisher_end(takeover.publisher);
	if (err) {
		/* The calls may use the engine. */
		LogMajor(COMPONENT_INIT,
			 "RPCBUF: calls are still running after %d ms",
			 STOP_MS);
		return;
	}
	xprt_end();
	rpcbuf_engine_destroy(takeover.engine);
	encode_stop();
	rpcbuf_publisher_destroy(takeover.publisher);
	rpcbuf_mm_counts(takeover.mm, &counts);
	if (counts.pages_out)
		LogMajor(COMPONENT_INIT, "RPCBUF: pages were not released");
}

void fsal_rpcbuf_takeover_stop(void)
{
	bool running;

	pthread_mutex_lock(&takeover.lock);
	running = takeover.running;
	takeover.running = false;
	takeover.stopping = true;
	pthread_cond_signal(&takeover.change);
	pthread_mutex_unlock(&takeover.lock);
	if (!running)
		return;
	pthread_join(takeover.thread, NULL);
	if (takeover.engine)
		stop_engine();
	else
		rpcbuf_destroy(takeover.mm);
}
