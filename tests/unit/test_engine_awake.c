/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the system is asked to keep processors awake while calls come closely,
 * where the options say so, and no longer soon after the last call, at the stop
 * too.
 * Method: a client that waits for each reply, and a loop that polls for so long
 * that it finds every call.  What the system was asked for, by whomever, is
 * read from the system; without the right to ask nothing but the log differs.
 */
#include <fcntl.h>

#include "engine_util.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/wakeup.h"

#define SECOND_US 1000000u
#define CALLS	  200u

static struct peer peer;

/* Microseconds, or -1 where that cannot be read. */
static int32_t wakeup_limit(void)
{
	int fd = open("/dev/cpu_dma_latency", O_RDONLY | O_CLOEXEC);
	int32_t us = -1;

	if (fd < 0)
		return -1;
	must(read(fd, &us, sizeof(us)) == sizeof(us));
	close(fd);
	return us;
}

static bool may_ask(void)
{
	int fd = os_wakeup_open();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void start(enum rpcbuf_awake awake)
{
	struct rpcbuf_engine_options o = server_options();

	o.receivers = 1;
	o.spin_us = SECOND_US;
	o.keep_awake = awake;
	server_start(16 << 20, &o);
	peer_open(&peer);
}

static void stop(void)
{
	peer_hang_up(&peer);
	server_stop();
	peer_free(&peer);
}

static void call_one_by_one(unsigned int calls)
{
	for (uint32_t n = 0; n < calls; n++) {
		send_call(&peer, XID(ECHO, SMALL, n));
		receive_replies(&peer, n, 1);
	}
}

START_TEST(while_calls_come)
{
	int32_t before = wakeup_limit(), limit = os_wakeup_halts() ? 0 : 2;

	start(RPCBUF_AWAKE_ALWAYS);
	if (!may_ask() || before < 0) {
		call_one_by_one(CALLS);
		ck_assert(may_ask() || !stats().awakes);
		stop();
		return;
	}
	do {
		call_one_by_one(1);
	} while (!stats().awakes || wakeup_limit() > limit);
	eventually(wakeup_limit() >= before);
	eventually(stats().awake_ns > 0);
	do {
		call_one_by_one(1);
	} while (wakeup_limit() > limit);
	stop();
	eventually(wakeup_limit() >= before);
}
END_TEST

START_TEST(never)
{
	start(RPCBUF_AWAKE_NEVER);
	call_one_by_one(CALLS);
	ck_assert_uint_eq(stats().awakes, 0);
	stop();
}
END_TEST

/* The peer is of this host. */
START_TEST(by_the_machine)
{
	bool wanted = may_ask() && os_wakeup_halts() && os_cpu_count() <= 4;

	start(RPCBUF_AWAKE_AUTO);
	if (wanted)
		while (!stats().awakes)
			call_one_by_one(1);
	else
		call_one_by_one(CALLS);
	ck_assert_int_eq(!!stats().awakes, wanted);
	stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_awake");
	TCase *tcase = tcase_create("awake");

	tcase_set_timeout(tcase, 3 * GUARD_S);
	tcase_add_test(tcase, while_calls_come);
	tcase_add_test(tcase, never);
	tcase_add_test(tcase, by_the_machine);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
