/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Processors that stay awake while calls come closely.  A client that waits for
 * a reply lets its processor go idle, and to wake it up takes longer than many
 * a call: in a guest the halt leaves the guest.  So while a loop finds the next
 * call without blocking, it asks the system that idle processors stay ready,
 * until soon after the last such call.  The owner of the loop only.
 */
#include <string.h>
#include <unistd.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/wakeup.h"

/* Looks in a row that found a call without blocking, before the system is
 * asked. */
#define AWAKE_LOOKS	 32
/* How long it is asked after the last of them. */
#define AWAKE_MS	 10
/* All processors of the system stay awake, of which two serve a client that
 * waits: on more than so many that takes a user's word. */
#define AWAKE_AUTO_CPUS	 4
/* Microseconds: what the first idle state of today's processors takes, which
 * saves most of the power; deeper ones take a hundred. */
#define AWAKE_SHALLOW_US 2

/* What the loops ask for, in microseconds, or OS_WAKEUP_ANY. */
int awake_choose(const struct rpcbuf_engine_options *options)
{
	bool halts = os_wakeup_halts();

	if (options->keep_awake == RPCBUF_AWAKE_NEVER)
		return OS_WAKEUP_ANY;
	if (options->keep_awake == RPCBUF_AWAKE_AUTO &&
	    (!halts || os_cpu_count() > AWAKE_AUTO_CPUS))
		return OS_WAKEUP_ANY;
	return halts ? 0 : AWAKE_SHALLOW_US;
}

/* Without the right to ask the loop goes on as if it were not to. */
void awake_open(struct loop *loop)
{
	struct rpcbuf_engine *engine = loop->engine;
	bool always = engine->options.keep_awake == RPCBUF_AWAKE_ALWAYS;
	int fd;

	if (engine->awake_us == OS_WAKEUP_ANY)
		return;
	fd = os_wakeup_open();
	if (fd >= 0)
		loop->awake.fd = fd;
	else if (loop == engine->loops)
		engine_log(engine,
			   always ? RPCBUF_LOG_WARNING : RPCBUF_LOG_INFO,
			   "processors are not kept awake: %s", strerror(-fd));
}

void awake_close(struct loop *loop)
{
	if (loop->awake.fd >= 0)
		close(loop->awake.fd);
}

static void ask(struct loop *loop)
{
	if (os_wakeup_limit(loop->awake.fd, loop->engine->awake_us))
		return;
	loop->awake.asked = true;
	loop->awake.counted_ns = loop->now_ns;
	stat_add(loop->stats.awakes, 1);
}

static void stop_asking(struct loop *loop)
{
	os_wakeup_limit(loop->awake.fd, OS_WAKEUP_ANY);
	loop->awake.asked = false;
}

/* Whether a client that it is done for has a call waiting. */
static bool found_call(const struct loop *loop)
{
	const struct client_part *part;

	if (list_empty(&loop->ready))
		return false;
	if (loop->engine->options.keep_awake == RPCBUF_AWAKE_ALWAYS)
		return true;
	part = list_first_entry(&loop->ready, struct client_part, link);
	return list_first_entry(&part->ready, struct rpcbuf_conn,
				reception.link)
		->local;
}

/* The loop looked for calls, and @blocked until one came or did not have to. */
void awake_looked(struct loop *loop, bool blocked)
{
	struct awake *awake = &loop->awake;

	if (awake->fd < 0)
		return;
	if (blocked)
		awake->looks = 0;
	else if (found_call(loop) && ++awake->looks >= AWAKE_LOOKS) {
		awake->until_ns = loop->now_ns + AWAKE_MS * UINT64_C(1000000);
		if (!awake->asked)
			ask(loop);
	}
	if (!awake->asked)
		return;
	stat_add(loop->stats.awake_ns, loop->now_ns - awake->counted_ns);
	awake->counted_ns = loop->now_ns;
	if (loop->now_ns >= awake->until_ns)
		stop_asking(loop);
}

/* How long the loop may block that would for @ms milliseconds. */
int awake_block_ms(const struct loop *loop, int ms)
{
	return loop->awake.asked && (ms < 0 || ms > AWAKE_MS) ? AWAKE_MS : ms;
}
