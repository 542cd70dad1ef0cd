/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: readers see a publication whole or not at all; each kind of bad file
 * has its own error; segments of dead processes are recognised and removed;
 * traced events come in order, complete, and every loss is counted; requests of
 * readers expire by themselves.
 * Method: publishers and readers in one process and in forked ones, on files in
 * a folder of the test's own, which are also truncated and overwritten.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <rpcbuf/publish.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rpcbuf/os/os.h"

#define GUARD_NS UINT64_C(60000000000)

static char folder[] = "/dev/shm/rpcbuf-test.XXXXXX";
static struct rpcbuf_snapshot snapshot = RPCBUF_SNAPSHOT_INIT;

static void make_folder(void)
{
	strcpy(strrchr(folder, '.'), ".XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static struct rpcbuf_publisher *publish(const char *name, unsigned int events)
{
	const struct rpcbuf_publisher_options options = {
		.size = sizeof(options),
		.name = name,
		.folder = folder,
		.events = events,
	};
	struct rpcbuf_publisher *publisher;

	ck_assert_int_eq(rpcbuf_publisher_create(&publisher, &options), 0);
	return publisher;
}

static struct rpcbuf_segment *attach(const char *path)
{
	struct rpcbuf_segment *segment;

	ck_assert_int_eq(rpcbuf_segment_attach(&segment, path), 0);
	return segment;
}

/* Two counters that are always equal, and a histogram. */
struct twins {
	uint64_t calls;
	bool clients;
};

static const struct rpcbuf_figure twin_figures[] = {
	{"left", "one of two", RPCBUF_COUNTER, 0},
	{"sizes", "a histogram", RPCBUF_HISTOGRAM, 5},
	{"right", "the other", RPCBUF_GAUGE, 0},
};

static void twins_read(void *owner, uint64_t *values)
{
	struct twins *twins = owner;

	values[0] = ++twins->calls;
	for (unsigned int i = 1; i <= 5; i++)
		values[i] = i * twins->calls;
	values[6] = twins->calls;
}

static void twins_clients(void *owner, struct rpcbuf_publisher *publisher)
{
	uint8_t address[16] = {0};
	struct twins *twins = owner;

	__atomic_store_n(&twins->clients, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < RPCBUF_CLIENTS_MAX + 3; i++) {
		struct rpcbuf_client *client;

		memcpy(address, &i, sizeof(i));
		client = rpcbuf_publisher_client(publisher, address);
		if (client)
			client->connections += i;
		address[15] = 0;
	}
}

static void add_twins(struct rpcbuf_publisher *publisher, struct twins *twins)
{
	const struct rpcbuf_source source = {
		.size = sizeof(source),
		.owner = twins,
		.figures = twin_figures,
		.nr_figures = 3,
		.read = twins_read,
		.clients = twins_clients,
	};

	ck_assert_int_eq(rpcbuf_publisher_add(publisher, &source), 0);
	ck_assert_int_eq(rpcbuf_publisher_add(publisher, &source), -EALREADY);
}

static void refresh(struct rpcbuf_segment *segment)
{
	ck_assert_int_eq(rpcbuf_segment_refresh(segment, 60000), 0);
	ck_assert_int_eq(rpcbuf_segment_read(segment, &snapshot), 0);
}

START_TEST(test_figures)
{
	struct rpcbuf_publisher *publisher = publish("one", 0);
	struct twins twins = {0};
	const struct rpcbuf_segment_header *header;
	struct rpcbuf_segment *segment;
	struct stat st;
	uint64_t calls;

	add_twins(publisher, &twins);
	segment = attach(rpcbuf_publisher_path(publisher));
	header = rpcbuf_segment_header(segment);
	ck_assert_int_eq(header->pid, getpid());
	ck_assert_str_eq(header->name, "one");
	ck_assert_str_eq(header->program, "test_segment");
	ck_assert_int_eq(stat(rpcbuf_publisher_path(publisher), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert(rpcbuf_segment_alive(segment));

	refresh(segment);
	ck_assert_uint_eq(snapshot.nr_metrics, 3);
	ck_assert_uint_eq(snapshot.nr_values, 7);
	ck_assert_str_eq(snapshot.metrics[0].name, "left");
	ck_assert_str_eq(snapshot.metrics[1].help, "a histogram");
	ck_assert_uint_eq(snapshot.metrics[1].kind, RPCBUF_HISTOGRAM);
	ck_assert_uint_eq(snapshot.metrics[1].count, 5);
	ck_assert_uint_eq(snapshot.metrics[2].first, 6);
	calls = snapshot.values[0];
	ck_assert_uint_ge(calls, 1);
	ck_assert_uint_eq(snapshot.values[4], 4 * calls);
	ck_assert_uint_eq(snapshot.values[6], calls);
	refresh(segment);
	ck_assert_uint_gt(snapshot.values[0], calls);

	/* A source that was removed leaves its last figures; its place is
	 * kept. */
	rpcbuf_publisher_remove(publisher, &twins);
	calls = twins.calls;
	refresh(segment);
	refresh(segment);
	ck_assert_uint_eq(twins.calls, calls);
	ck_assert_uint_eq(snapshot.values[0], calls);
	add_twins(publisher, &twins);
	refresh(segment);
	ck_assert_uint_eq(snapshot.nr_metrics, 3);
	ck_assert_uint_gt(snapshot.values[0], calls);

	rpcbuf_publisher_destroy(publisher);
	ck_assert(!rpcbuf_segment_alive(segment));
	ck_assert_int_eq(rpcbuf_segment_read(segment, &snapshot), 0);
	ck_assert_uint_eq(snapshot.values[0], twins.calls);
	rpcbuf_segment_detach(segment);
}
END_TEST

/* Without a request a publication comes within a second or so. */
START_TEST(test_period)
{
	struct rpcbuf_publisher *publisher = publish(NULL, 0);
	struct twins twins = {0};
	struct rpcbuf_segment *segment =
		attach(rpcbuf_publisher_path(publisher));
	uint64_t end = os_now() + GUARD_NS;

	add_twins(publisher, &twins);
	do {
		ck_assert_uint_lt(os_now(), end);
		usleep(10000);
		ck_assert_int_eq(rpcbuf_segment_read(segment, &snapshot), 0);
	} while (!snapshot.nr_metrics || snapshot.values[0] < 2);
	rpcbuf_segment_detach(segment);
	rpcbuf_publisher_destroy(publisher);
}
END_TEST

START_TEST(test_clients_are_for_those_who_look)
{
	struct rpcbuf_publisher *publisher = publish(NULL, 0);
	struct twins twins = {0};
	struct rpcbuf_segment *segment =
		attach(rpcbuf_publisher_path(publisher));

	add_twins(publisher, &twins);
	refresh(segment);
	ck_assert(!__atomic_load_n(&twins.clients, __ATOMIC_RELAXED));
	ck_assert_uint_eq(snapshot.nr_clients, 0);
	ck_assert_int_eq(rpcbuf_segment_watch(segment, RPCBUF_WATCH_CLIENTS),
			 0);
	refresh(segment);
	ck_assert_uint_eq(snapshot.nr_clients, RPCBUF_CLIENTS_MAX);
	ck_assert_uint_eq(snapshot.lost_clients, 3);
	ck_assert_uint_eq(snapshot.clients[7].connections, 7);
	rpcbuf_segment_detach(segment);
	rpcbuf_publisher_destroy(publisher);
}
END_TEST

static bool reading_stops;

static void *read_twins(void *arg)
{
	static struct rpcbuf_snapshot mine = RPCBUF_SNAPSHOT_INIT;
	struct rpcbuf_segment *segment = attach(arg);
	uint64_t last = 0;

	while (!__atomic_load_n(&reading_stops, __ATOMIC_RELAXED)) {
		ck_assert_int_eq(rpcbuf_segment_read(segment, &mine), 0);
		if (!mine.nr_metrics)
			continue;
		ck_assert_uint_ge(mine.values[0], last);
		ck_assert_uint_eq(mine.values[0], mine.values[6]);
		last = mine.values[0];
	}
	rpcbuf_segment_detach(segment);
	return NULL;
}

/* Publications under a reader are never seen in part. */
START_TEST(test_consistent)
{
	struct rpcbuf_publisher *publisher = publish(NULL, 0);
	struct twins twins = {0};
	const char *path = rpcbuf_publisher_path(publisher);
	struct rpcbuf_segment *segment = attach(path);
	pthread_t reader;

	add_twins(publisher, &twins);
	reading_stops = false;
	ck_assert_int_eq(pthread_create(&reader, NULL, read_twins,
					(void *)(uintptr_t)path),
			 0);
	for (unsigned int i = 0; i < 300; i++)
		ck_assert_int_eq(rpcbuf_segment_refresh(segment, 60000), 0);
	__atomic_store_n(&reading_stops, true, __ATOMIC_RELAXED);
	pthread_join(reader, NULL);
	rpcbuf_segment_detach(segment);
	rpcbuf_publisher_destroy(publisher);
}
END_TEST

START_TEST(test_options)
{
	struct rpcbuf_publisher_options options = {.size = sizeof(options),
						   .folder = folder};
	struct rpcbuf_publisher *publisher, *first;
	const char *const names[] = {"", "a b", "a/b", "-",
				     "01234567890123456789012345678901"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		options.name = names[i];
		ck_assert_int_eq(rpcbuf_publisher_create(&publisher, &options),
				 -EINVAL);
	}
	options.name = NULL;
	options.events = 3;
	ck_assert_int_eq(rpcbuf_publisher_create(&publisher, &options),
			 -EINVAL);
	options.events = 2u << 20;
	ck_assert_int_eq(rpcbuf_publisher_create(&publisher, &options),
			 -EINVAL);
	options.events = 0;
	first = publish(NULL, 0);
	ck_assert_int_eq(rpcbuf_publisher_create(&publisher, &options),
			 -EEXIST);
	options.folder = "/dev/null/nowhere";
	ck_assert_int_eq(rpcbuf_publisher_create(&publisher, &options),
			 -ENOTDIR);
	rpcbuf_publisher_destroy(first);
	rpcbuf_publisher_destroy(NULL);
}
END_TEST

/* Overwrites bytes @at..@at+@len of the file @path with @bytes. */
static void scribble(const char *path, size_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, (off_t)at), (ssize_t)len);
	close(fd);
}

static int try_attach(const char *path)
{
	struct rpcbuf_segment *segment;
	int err = rpcbuf_segment_attach(&segment, path);

	if (!err)
		rpcbuf_segment_detach(segment);
	return err;
}

static void copy_file(const char *from, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp %s %s", from, to);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(test_bad_files)
{
	struct rpcbuf_publisher *publisher = publish(NULL, 0);
	const char *good = rpcbuf_publisher_path(publisher);
	const size_t cuts[] = {1, 7, 8, 100, 4095, 4096, 50000};
	const uint32_t next_version = RPCBUF_SEGMENT_VERSION + 1;
	const uint64_t huge = UINT64_MAX - 4;
	char path[128];
	struct {
		size_t at;
	} fields[] = {
		{offsetof(struct rpcbuf_segment_header, sections[0].offset)},
		{offsetof(struct rpcbuf_segment_header,
			  sections[1].entry_size)},
		{offsetof(struct rpcbuf_segment_header, sections[3].entries)},
		{offsetof(struct rpcbuf_segment_header, sections[3].offset)},
	};

	snprintf(path, sizeof(path), "%s/bad", folder);
	ck_assert_int_eq(try_attach(path), -ENOENT);
	ck_assert_int_eq(try_attach(folder), -EPROTO);
	ck_assert_int_eq(try_attach("/dev/zero"), -EPROTO);
	ck_assert_int_eq(try_attach("/proc/self/stat"), -EPROTO);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		copy_file(good, path);
		ck_assert_int_eq(truncate(path, (off_t)cuts[i]), 0);
		ck_assert_int_eq(try_attach(path), -ENODATA);
	}
	ck_assert_int_eq(truncate(path, 0), 0);
	ck_assert_int_eq(try_attach(path), -ENODATA);
	copy_file(good, path);
	scribble(path, 3, "X", 1);
	ck_assert_int_eq(try_attach(path), -EPROTO);
	copy_file(good, path);
	scribble(path, offsetof(struct rpcbuf_segment_header, version),
		 &next_version, sizeof(next_version));
	ck_assert_int_eq(try_attach(path), -EPROTONOSUPPORT);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		copy_file(good, path);
		scribble(path, fields[i].at, &huge, sizeof(huge));
		ck_assert_int_eq(try_attach(path), -EBADMSG);
	}
	rpcbuf_publisher_destroy(publisher);
}
END_TEST

static int try_read(const char *path)
{
	struct rpcbuf_segment *segment = attach(path);
	int err = rpcbuf_segment_read(segment, &snapshot);

	rpcbuf_segment_detach(segment);
	return err;
}

/* The writer is dead, so the file can be overwritten safely. */
START_TEST(test_bad_figures)
{
	struct rpcbuf_publisher *publisher = publish(NULL, 0);
	struct twins twins = {0};
	struct rpcbuf_segment *segment =
		attach(rpcbuf_publisher_path(publisher));
	struct rpcbuf_segment_header header;
	uint32_t many = 100000;
	uint64_t odd = 1, random_bytes[16];
	char path[128], good[128];
	uint64_t metrics;

	add_twins(publisher, &twins);
	refresh(segment);
	snprintf(path, sizeof(path), "%s/bad", folder);
	snprintf(good, sizeof(good), "%s/good", folder);
	rpcbuf_publisher_remove(publisher, &twins);
	do
		copy_file(rpcbuf_publisher_path(publisher), good);
	while (try_read(good));
	header = *rpcbuf_segment_header(segment);
	metrics = header.sections[RPCBUF_SECTION_METRICS].offset;

	for (size_t at = offsetof(struct rpcbuf_segment_header, nr_metrics);
	     at <= offsetof(struct rpcbuf_segment_header, nr_clients);
	     at += sizeof(many)) {
		copy_file(good, path);
		scribble(path, at, &many, sizeof(many));
		ck_assert_int_eq(try_read(path), -EBADMSG);
	}
	copy_file(good, path);
	scribble(path, metrics, "\033[2J", 4);
	ck_assert_int_eq(try_read(path), -EBADMSG);
	copy_file(good, path);
	scribble(path, metrics + offsetof(struct rpcbuf_metric, first), &many,
		 2);
	ck_assert_int_eq(try_read(path), -EBADMSG);
	copy_file(good, path);
	scribble(path, offsetof(struct rpcbuf_segment_header, sequence), &odd,
		 sizeof(odd));
	ck_assert_int_eq(try_read(path), -EAGAIN);

	/* Any bytes anywhere: an error or figures, nothing else. */
	srandom(1);
	for (unsigned int i = 0; i < 120; i++) {
		struct rpcbuf_event event;
		struct rpcbuf_segment *bad;

		copy_file(good, path);
		for (size_t j = 0; j < 16; j++)
			random_bytes[j] = (uint64_t)random() << 32 ^
					  (uint64_t)random();
		scribble(path, 8 + (size_t)random() % 9000, random_bytes,
			 1 + (size_t)random() % sizeof(random_bytes));
		if (rpcbuf_segment_attach(&bad, path))
			continue;
		if (i % 8 == 0)
			(void)rpcbuf_segment_read(bad, &snapshot);
		(void)rpcbuf_segment_next_event(bad, &event);
		(void)rpcbuf_segment_alive(bad);
		rpcbuf_segment_detach(bad);
	}
	rpcbuf_segment_detach(segment);
	rpcbuf_publisher_destroy(publisher);
}
END_TEST

/* A child that publishes and is killed; it reports through a pipe. */
static pid_t crash(char *path, size_t len)
{
	int pipes[2];
	pid_t pid;
	ssize_t n;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		struct rpcbuf_publisher *publisher = publish("crash", 0);
		const char *mine = rpcbuf_publisher_path(publisher);

		if (write(pipes[1], mine, strlen(mine)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	n = read(pipes[0], path, len - 1);
	ck_assert_int_gt(n, 0);
	path[n] = '\0';
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

START_TEST(test_crashed)
{
	struct rpcbuf_publisher *publisher;
	struct rpcbuf_segment *segment;
	char path[256], other[128];
	pid_t pid = crash(path, sizeof(path));
	FILE *file;

	segment = attach(path);
	ck_assert(rpcbuf_segment_alive(segment));
	/* A new publisher does not remove segments of living processes. */
	publisher = publish(NULL, 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	rpcbuf_publisher_destroy(publisher);

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(!rpcbuf_segment_alive(segment));
	ck_assert_int_eq(rpcbuf_segment_read(segment, &snapshot), 0);
	snprintf(other, sizeof(other), "%s/rpcbuf-12.34-mine", folder);
	file = fopen(other, "w");
	fputs("not a segment\n", file);
	fclose(file);
	publisher = publish(NULL, 0);
	ck_assert_int_lt(access(path, F_OK), 0);
	ck_assert_int_eq(access(other, F_OK), 0);
	rpcbuf_publisher_destroy(publisher);
	rpcbuf_segment_detach(segment);
}
END_TEST

/* A child of the publisher's process neither publishes nor removes. */
START_TEST(test_fork)
{
	struct rpcbuf_publisher *publisher = publish(NULL, 0);
	struct rpcbuf_segment *segment =
		attach(rpcbuf_publisher_path(publisher));
	int status;
	pid_t pid = fork();

	if (!pid) {
		rpcbuf_publisher_destroy(publisher);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert(rpcbuf_segment_alive(segment));
	refresh(segment);
	rpcbuf_segment_detach(segment);
	rpcbuf_publisher_destroy(publisher);
}
END_TEST

/* Requests events, and waits until the ring has memory. */
static void trace(struct rpcbuf_publisher *publisher,
		  struct rpcbuf_segment *segment)
{
	uint64_t end = os_now() + GUARD_NS;

	do {
		ck_assert_uint_lt(os_now(), end);
		ck_assert_int_eq(
			rpcbuf_segment_watch(segment, RPCBUF_WATCH_EVENTS), 0);
		(void)rpcbuf_segment_refresh(segment, 1000);
	} while (!(rpcbuf_publisher_watched(publisher, os_now()) &
		   RPCBUF_WATCH_EVENTS));
}

static void write_events(struct rpcbuf_publisher *publisher, uint32_t from,
			 uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct rpcbuf_event event = {
			.time_ns = i,
			.xid = i,
			.reserved = {[8] = i},
		};

		rpcbuf_publisher_write_event(publisher, &event);
	}
}

START_TEST(test_events)
{
	struct rpcbuf_publisher *publisher = publish(NULL, 64);
	struct rpcbuf_segment *segment =
		attach(rpcbuf_publisher_path(publisher));
	struct rpcbuf_event event;
	uint64_t now;

	write_events(publisher, 0, 10); /* no reader: they are dropped */
	ck_assert_int_eq(rpcbuf_segment_next_event(segment, &event), 0);
	ck_assert_uint_eq(rpcbuf_publisher_watched(publisher, os_now()), 0);
	trace(publisher, segment);
	write_events(publisher, 10, 74);
	for (uint32_t i = 10; i < 74; i++) {
		ck_assert_int_eq(rpcbuf_segment_next_event(segment, &event), 1);
		ck_assert_uint_eq(event.xid, i);
		ck_assert_uint_eq(event.reserved[8], i);
	}
	ck_assert_int_eq(rpcbuf_segment_next_event(segment, &event), 0);
	ck_assert_uint_eq(rpcbuf_segment_lost(segment), 0);
	/* Too many for the ring: the oldest are lost, and counted. */
	write_events(publisher, 74, 200);
	for (uint32_t i = 136; i < 200; i++) {
		ck_assert_int_eq(rpcbuf_segment_next_event(segment, &event), 1);
		ck_assert_uint_eq(event.xid, i);
	}
	ck_assert_int_eq(rpcbuf_segment_next_event(segment, &event), 0);
	ck_assert_uint_eq(rpcbuf_segment_lost(segment), 62);
	/* Without renewal the lease expires; invalid values do not count. */
	now = os_now();
	ck_assert_uint_eq(
		rpcbuf_publisher_watched(publisher, now + UINT64_C(4000000000)),
		0);
	ck_assert_uint_eq(rpcbuf_publisher_watched(publisher,
						   now - UINT64_C(20000000000)),
			  0);
	rpcbuf_publisher_end(publisher);
	write_events(publisher, 0, 10); /* safely */
	rpcbuf_publisher_destroy(publisher);
	rpcbuf_segment_detach(segment);
}
END_TEST

#define WRITERS 4
#define EACH	20000u

static void *writer(void *arg)
{
	struct rpcbuf_publisher *publisher = arg;
	static uint32_t next;
	uint32_t mine = __atomic_fetch_add(&next, EACH, __ATOMIC_RELAXED);

	write_events(publisher, mine, mine + EACH);
	return NULL;
}

/* Records of writers that overtake each other and the reader: each record read
 * is whole, none comes twice, and missing ones are counted. */
START_TEST(test_events_of_many)
{
	struct rpcbuf_publisher *publisher = publish(NULL, 256);
	struct rpcbuf_segment *segment =
		attach(rpcbuf_publisher_path(publisher));
	static uint8_t seen[WRITERS * EACH];
	uint64_t nr = 0, end = os_now() + GUARD_NS;
	struct rpcbuf_event event;
	pthread_t threads[WRITERS];

	ck_assert_int_eq(rpcbuf_segment_next_event(segment, &event), 0);
	trace(publisher, segment);
	for (unsigned int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, writer, publisher),
			0);
	while (nr + rpcbuf_segment_lost(segment) < WRITERS * EACH) {
		ck_assert_uint_lt(os_now(), end);
		if (!rpcbuf_segment_next_event(segment, &event))
			continue;
		nr++;
		ck_assert_uint_lt(event.xid, WRITERS * EACH);
		ck_assert_uint_eq(event.time_ns, event.xid);
		ck_assert_uint_eq(event.reserved[8], event.xid);
		ck_assert_uint_eq(seen[event.xid]++, 0);
	}
	for (unsigned int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(nr + rpcbuf_segment_lost(segment), WRITERS * EACH);
	ck_assert_uint_gt(nr, 0);
	rpcbuf_segment_detach(segment);
	rpcbuf_publisher_destroy(publisher);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("segment");
	TCase *tcase = tcase_create("segment");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_add_test(tcase, test_figures);
	tcase_add_test(tcase, test_period);
	tcase_add_test(tcase, test_clients_are_for_those_who_look);
	tcase_add_test(tcase, test_consistent);
	tcase_add_test(tcase, test_options);
	tcase_add_test(tcase, test_bad_files);
	tcase_add_test(tcase, test_bad_figures);
	tcase_add_test(tcase, test_crashed);
	tcase_add_test(tcase, test_fork);
	tcase_add_test(tcase, test_events);
	tcase_add_test(tcase, test_events_of_many);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
