/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: an instance survives a fork in the parent, and the child neither hangs nor
 * gets pages.
 * Method: fork while another thread holds every lock that there is, and while
 * threads allocate; the child calls everything, then makes an instance of
 * its own.  Its exit status tells.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

#include "mm_util.h"

static struct rpcbuf *mm;
static void *pages[300];

/* 0, or the number of what went wrong. */
static int child(void)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_mm_counts counts;
	struct rpcbuf *own;
	void *mine[100] = {NULL};

	if (rpcbuf_alloc_bulk_array(mm, 0, 100, mine) ||
	    rpcbuf_alloc_page(mm, 0) || rpcbuf_alloc_pages(mm, 0, 3) ||
	    rpcbuf_alloc_contig(mm, 0, 600) || rpcbuf_alloc_run(mm, 5, mine) ||
	    rpcbuf_alloc_page(mm, RPCBUF_GFP_NOLOCK))
		return 1;
	if (*(char *)pages[7] != 42)
		return 2;
	rpcbuf_free_page(mm, pages[0]);
	rpcbuf_free_bulk_array_nolock(mm, 20, pages + 1);
	rpcbuf_free_bulk_array(mm, 200, pages + 21);
	rpcbuf_wait_join(mm, &waiter);
	rpcbuf_wait_leave(&waiter);
	rpcbuf_wait_wake_all(mm);
	rpcbuf_mm_counts(mm, &counts);
	pcp_decay(mm);
	if (rpcbuf_destroy(mm))
		return 3;
	/* ThreadSanitizer ends a child that starts threads. */
	options.no_thread = true;
	if (rpcbuf_create(&own, &options) ||
	    rpcbuf_alloc_bulk_array(own, 0, 100, mine) != 100)
		return 4;
	rpcbuf_free_bulk_array(own, 100, mine);
	return rpcbuf_destroy(own) ? 5 : 0;
}

static void fork_and_check(void)
{
	int status;
	pid_t pid;

	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		alarm(20);
		_exit(child());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "the child was ended by signal %d",
		      WTERMSIG(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void setup(void)
{
	unsigned int i;

	mm = test_create(4096);
	memset(pages, 0, sizeof(pages));
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 300, pages), 300);
	for (i = 0; i < 300; i++)
		memset(pages[i], 42, 1);
}

static void teardown(void)
{
	/* The parent did not notice. */
	rpcbuf_free_bulk_array(mm, 300, pages);
	test_destroy(mm);
}

START_TEST(with_all_locks_held)
{
	unsigned int cpu;

	os_lock(&mm->nodes[0].zone.lock);
	os_lock(&mm->wait.lock);
	os_lock(&mm->wait.joining);
	os_lock(&mm->freezing);
	for (cpu = 0; cpu < mm->nr_pcps; cpu++)
		mm->pcps[cpu].lock.held = 1;
	fork_and_check();
	for (cpu = 0; cpu < mm->nr_pcps; cpu++)
		mm->pcps[cpu].lock.held = 0;
	os_unlock(&mm->freezing);
	os_unlock(&mm->wait.joining);
	os_unlock(&mm->wait.lock);
	os_unlock(&mm->nodes[0].zone.lock);
}
END_TEST

static uint32_t stop;

static void *traffic(void *arg)
{
	void *array[100] = {NULL};

	(void)arg;
	while (!os_load(&stop)) {
		rpcbuf_alloc_bulk_array(mm, 0, 100, array);
		rpcbuf_free_bulk_array(mm, 100, array);
		pcp_drain_all(mm);
	}
	return NULL;
}

START_TEST(amid_traffic)
{
	pthread_t threads[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, traffic,
						NULL),
				 0);
	for (i = 0; i < 50; i++)
		fork_and_check();
	os_store(&stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("fork");
	TCase *tcase = tcase_create("fork");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, with_all_locks_held);
	tcase_add_test(tcase, amid_traffic);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
