/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: every connection to each listening socket is accepted once, while
 * others come and go. Without descriptors none is accepted, no CPU is used and
 * one line is logged; the handler of an accepted connection can always open
 * what it needs. After the end nothing is accepted and all descriptors are
 * closed. A forked child takes no part.
 * Method: connections on 127.0.0.1 to several sockets, one of which the caller
 * closed; a descriptor limit used up to the last one and freed again; the end
 * at each of these moments; a fork.
 */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <rpcbuf/acceptor.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "fork_util.h"
#include "until_util.h"

/* Under sanitizers a child that starts threads is killed, or hangs in locks of
 * the sanitizer that were held at the fork. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define TEST_CHILD_THREADS 0
#else
#define TEST_CHILD_THREADS 1
#endif

#define LISTENERS 3
#define CROWD	  60

static struct rpcbuf_acceptor *acceptor;
static struct sockaddr_in at[LISTENERS];
static unsigned int accepted[LISTENERS], needed, lines, starts;
static int clients[2 * CROWD];
static int server_ends[2 * CROWD];
static unsigned int nr_ends;
static bool keeps; /* the server's ends of the connections */

static void on_accepted(void *data, int fd, const struct sockaddr_storage *peer,
			socklen_t len)
{
	unsigned int *listener = data;
	int extra;

	must(peer->ss_family == AF_INET && len == sizeof(struct sockaddr_in));
	/* The handler can open what it needs. */
	do
		extra = eventfd(0, EFD_CLOEXEC);
	while (extra < 0 && !rpcbuf_acceptor_release_fd(acceptor));
	must(extra >= 0);
	close(extra);
	count(needed);
	if (keeps)
		server_ends[nr_ends++] = fd;
	else
		close(fd);
	count(*listener);
}

static void on_start(const char *name)
{
	must(!strcmp(name, "rpcbuf-accept"));
	count(starts);
}

static void on_line(enum rpcbuf_log_level level, const char *line)
{
	must(level == RPCBUF_LOG_WARNING && strstr(line, "no descriptor"));
	count(lines);
}

static const struct rpcbuf_acceptor_handlers handlers = {
	.size = sizeof(handlers),
	.accepted = on_accepted,
	.thread_start = on_start,
	.log = on_line,
};

static unsigned int open_now(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void add_listener(unsigned int i)
{
	socklen_t len = sizeof(at[i]);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at[i] = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(!bind(fd, (struct sockaddr *)&at[i], len) && !listen(fd, 1000));
	must(!getsockname(fd, (struct sockaddr *)&at[i], &len));
	must(!rpcbuf_acceptor_add(acceptor, fd, &accepted[i]));
	close(fd);
}

static int connect_to(unsigned int i)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must(!connect(fd, (struct sockaddr *)&at[i], sizeof(at[i])));
	return fd;
}

static void start(void)
{
	must(!rpcbuf_acceptor_create(&acceptor, &handlers, 4, 0));
	for (unsigned int i = 0; i < LISTENERS; i++)
		add_listener(i);
}

START_TEST(all_are_accepted)
{
	unsigned int before = open_now();

	start();
	for (unsigned int n = 0; n < 300; n++)
		close(connect_to(n % LISTENERS));
	for (unsigned int i = 0; i < LISTENERS; i++)
		eventually(seen(accepted[i]) == 100);
	rpcbuf_acceptor_destroy(acceptor);
	ck_assert_uint_eq(open_now(), before);
	ck_assert_uint_eq(starts, 1);
	ck_assert_uint_eq(lines, 0);
}
END_TEST

static void limit(rlim_t most)
{
	struct rlimit now = {most, most};

	must(!prlimit(0, RLIMIT_NOFILE, &now, NULL));
}

static int highest(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int most = 0;

	while ((entry = readdir(dir)))
		if (atoi(entry->d_name) > most)
			most = atoi(entry->d_name);
	closedir(dir);
	return most;
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* There is a descriptor for one more client, but none for the server. */
START_TEST(none_without_descriptors)
{
	uint64_t used;

	start();
	keeps = true;
	for (unsigned int n = 0; n < 10; n++)
		clients[n] = connect_to(0);
	eventually(seen(accepted[0]) == 10);
	limit((rlim_t)highest() + 1);
	while (eventfd(0, EFD_CLOEXEC) >= 0)
		;
	/* The client takes a descriptor of the reserve. */
	must(!rpcbuf_acceptor_release_fd(acceptor));
	clients[10] = connect_to(0);
	eventually(seen(lines) == 1);
	used = cpu_ns();
	poll(NULL, 0, 500);
	ck_assert_uint_lt(cpu_ns() - used, 100000000);
	ck_assert_uint_eq(seen(accepted[0]), 10);
	for (unsigned int i = 0; i < 10; i++)
		close(server_ends[i]);
	eventually(seen(accepted[0]) == 11);
	rpcbuf_acceptor_destroy(acceptor);
}
END_TEST

START_TEST(bad_options)
{
	struct rpcbuf_acceptor_handlers none = {.size = sizeof(none)};

	ck_assert_int_eq(rpcbuf_acceptor_create(&acceptor, &none, 0, 0),
			 -EINVAL);
	ck_assert_int_eq(rpcbuf_acceptor_create(&acceptor, &handlers, 65, 0),
			 -EINVAL);
	ck_assert_int_eq(rpcbuf_acceptor_create(&acceptor, &handlers, 0, -1),
			 -EINVAL);
	must(!rpcbuf_acceptor_create(&acceptor, &handlers, 0, 0));
	ck_assert_int_eq(rpcbuf_acceptor_add(acceptor, -1, NULL), -EBADF);
	ck_assert_int_eq(rpcbuf_acceptor_release_fd(acceptor), -ENOENT);
	rpcbuf_acceptor_destroy(acceptor);
	rpcbuf_acceptor_destroy(NULL);
}
END_TEST

/* Connections arrive while the acceptor ends. */
static void *keep_connecting(void *stop)
{
	while (!seen(*(bool *)stop)) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		(void)!connect(fd, (struct sockaddr *)&at[0], sizeof(at[0]));
		close(fd);
	}
	return NULL;
}

START_TEST(ends_amid_connections)
{
	unsigned int before = open_now(), after;
	bool stop = false;
	pthread_t thread;

	start();
	must(!pthread_create(&thread, NULL, keep_connecting, &stop));
	eventually(seen(accepted[0]) > 10);
	rpcbuf_acceptor_destroy(acceptor);
	after = seen(accepted[0]);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(seen(accepted[0]), after);
	ck_assert_uint_eq(open_now(), before);
}
END_TEST

static int child(void)
{
	struct rpcbuf_acceptor *parents = acceptor;

	if (rpcbuf_acceptor_add(acceptor, 0, NULL) != -EPERM)
		return 1;
	if (!rpcbuf_acceptor_release_fd(acceptor))
		return 2;
	rpcbuf_acceptor_destroy(acceptor);
	/* A descriptor of its own. */
	if (TEST_CHILD_THREADS &&
	    rpcbuf_acceptor_create(&acceptor, &handlers, 4, 0))
		return 3;
	if (acceptor != parents)
		rpcbuf_acceptor_destroy(acceptor);
	return 0;
}

/* The child has no acceptor thread, so it has nothing to end; the parent's
 * works. */
START_TEST(forked)
{
	start();
	fork_and_run(child);
	for (unsigned int i = 0; i < LISTENERS; i++)
		close(connect_to(i));
	for (unsigned int i = 0; i < LISTENERS; i++)
		eventually(seen(accepted[i]) == 1);
	rpcbuf_acceptor_destroy(acceptor);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("acceptor");
	TCase *tcase = tcase_create("acceptor");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, all_are_accepted);
	tcase_add_test(tcase, none_without_descriptors);
	tcase_add_test(tcase, bad_options);
	tcase_add_loop_test(tcase, ends_amid_connections, 0, 20);
	tcase_add_test(tcase, forked);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
