/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: what the plug-in relies on in ntirpc holds in the one that is installed,
 * and is refused with a sentence where it does not.  Method: ntirpc is started as
 * the server does it, and asked; then again with a function of its tables
 * exchanged for one that behaves otherwise, as a later version may, and nothing
 * is left open.
 */
#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "fsal/facts.h"

static struct facts facts;
static char why[512];

static struct svc_req *no_request(SVCXPRT *xprt, XDR *xdrs)
{
	(void)xprt;
	(void)xdrs;
	return NULL;
}

static void free_request(struct svc_req *req, enum xprt_stat stat)
{
	(void)req;
	(void)stat;
}

static void setup(void)
{
	struct svc_init_params params = {
		.alloc_cb = no_request,
		.free_cb = free_request,
		.flags = SVC_INIT_EPOLL | SVC_INIT_NOREG_XPRTS,
		.max_connections = 64,
		.max_events = 64,
		.ioq_send_max = 1 << 20,
		.channels = 4,
	};

	ck_assert(svc_init(&params));
	memset(why, 0, sizeof(why));
}

static void refused_for(const char *words)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), -ENOTSUP);
	ck_assert_msg(strstr(why, words), "it says: %s", why);
}

START_TEST(all_hold)
{
	int err = facts_find(&facts, why, sizeof(why));

	ck_assert_msg(err == 0, "%s", why);
	ck_assert_ptr_nonnull(facts.connected->xp_reply);
	ck_assert_ptr_nonnull(facts.listening->xp_recv);
	ck_assert_ptr_nonnull(facts.clients->cl_call);
	ck_assert_uint_gt(facts.queue, sizeof(SVCXPRT));
}
END_TEST

static enum xprt_stat keep_reply(struct svc_req *req)
{
	(void)req;
	return XPRT_IDLE;
}

START_TEST(queue_is_elsewhere)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	facts.connected->xp_reply = keep_reply;
	refused_for("a reply that is sent heads the queue");
}
END_TEST

static enum clnt_stat keep_call(struct clnt_req *call)
{
	(void)call;
	return RPC_SUCCESS;
}

START_TEST(call_is_not_queued)
{
	ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	facts.clients->cl_call = keep_call;
	refused_for("behind an entry of another's");
}
END_TEST

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* ntirpc closes what it destroyed on a thread of its own. */
START_TEST(nothing_is_left)
{
	unsigned int before;

	/* The channels that it opens the first times stay. */
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	before = descriptors();
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(facts_find(&facts, why, sizeof(why)), 0);
	while (descriptors() > before + 4)
		sched_yield();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("facts");
	TCase *tcase = tcase_create("facts");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, all_hold);
	tcase_add_test(tcase, queue_is_elsewhere);
	tcase_add_test(tcase, call_is_not_queued);
	tcase_add_test(tcase, nothing_is_left);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
