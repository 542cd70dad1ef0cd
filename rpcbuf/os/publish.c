/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The publisher: owns the segment's file, its mapping and one thread.
 *
 * `lock` covers the sources and a publication; the thread, and callers that add
 * or remove sources, take it.  Events are written without it, by any thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <rpcbuf/publish.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rpcbuf/os/os.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/publish.h"
#include "rpcbuf/os/segment.h"
#include <rpcbuf/os/sized.h>
#include "rpcbuf/os/thread.h"
#include "rpcbuf/os/why.h"

#define PERIOD_NS      OS_SECOND_NS
#define EVENTS_DEFAULT 32768u
#define EVENTS_MAX     (1u << 20)
#define PAGE	       4096u
/* Nobody traced for so long: the ring's memory goes back. */
#define RING_IDLE_NS   (30 * OS_SECOND_NS)

/* Where what begins, in the file. */
#define METRICS_AT     ((uint64_t)RPCBUF_SEGMENT_CONTROL + PAGE)
#define VALUES_AT \
	(METRICS_AT + sizeof(struct rpcbuf_metric) * RPCBUF_METRICS_MAX)
#define CLIENTS_AT (VALUES_AT + sizeof(uint64_t) * RPCBUF_VALUES_MAX)
#define CLIENTS_END \
	(CLIENTS_AT + sizeof(struct rpcbuf_client) * RPCBUF_CLIENTS_MAX)
#define EVENTS_AT ((CLIENTS_END + PAGE - 1) / PAGE * PAGE)

_Static_assert(sizeof(struct rpcbuf_segment_header) <= RPCBUF_SEGMENT_CONTROL &&
		       sizeof(struct rpcbuf_segment_control) <= PAGE,
	       "a page each");
_Static_assert(sizeof(struct rpcbuf_event) == 256 &&
		       sizeof(struct rpcbuf_metric) == 128 &&
		       sizeof(struct rpcbuf_client) == 160,
	       "the layout of version 1; whole words for segment_copy()");

static bool name_is_valid(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
	size_t len = strlen(name);

	return len && len < sizeof(((struct rpcbuf_segment_header *)0)->name) &&
	       strspn(name, letters) == len;
}

static bool options_are_valid(const struct rpcbuf_publisher_options *o)
{
	return (!o->name || name_is_valid(o->name)) &&
	       !(o->events & (o->events - 1)) && o->events <= EVENTS_MAX;
}

static int lock_file(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

static void set_section(struct rpcbuf_segment_header *header,
			enum rpcbuf_section section, uint64_t offset,
			size_t entry_size, unsigned int entries)
{
	header->sections[section] = (struct rpcbuf_segment_section){
		.offset = offset,
		.entry_size = (uint32_t)entry_size,
		.entries = entries,
	};
}

static void fill_header(struct rpcbuf_publisher *publisher, const char *name)
{
	struct rpcbuf_segment_header *header = publisher->header;

	*header = (struct rpcbuf_segment_header){
		.version = RPCBUF_SEGMENT_VERSION,
		.header_size = sizeof(*header),
		.size = publisher->size,
		.start_ticks = segment_start_ticks(getpid()),
		.pid_space = segment_pid_space(),
		.pid = getpid(),
		.state = RPCBUF_SEGMENT_LIVE,
		.release = RPCBUF_VERSION,
	};
	memcpy(header->magic, RPCBUF_SEGMENT_MAGIC, sizeof(header->magic));
	snprintf(header->name, sizeof(header->name), "%s", name ? name : "");
	snprintf(header->program, sizeof(header->program), "%s",
		 program_invocation_short_name);
	set_section(header, RPCBUF_SECTION_METRICS, METRICS_AT,
		    sizeof(struct rpcbuf_metric), RPCBUF_METRICS_MAX);
	set_section(header, RPCBUF_SECTION_VALUES, VALUES_AT, sizeof(uint64_t),
		    RPCBUF_VALUES_MAX);
	set_section(header, RPCBUF_SECTION_CLIENTS, CLIENTS_AT,
		    sizeof(struct rpcbuf_client), RPCBUF_CLIENTS_MAX);
	set_section(header, RPCBUF_SECTION_EVENTS, EVENTS_AT,
		    sizeof(struct rpcbuf_event), publisher->nr_events);
}

/* All memory but the ring's is taken now: a full file system must not be met
 * by a store. */
static int map_file(struct rpcbuf_publisher *publisher, const char *temporary)
{
	int err;

	publisher->fd = open(temporary,
			     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			     0600);
	if (publisher->fd < 0)
		return -errno;
	err = lock_file(publisher->fd);
	if (!err && (fchmod(publisher->fd, 0600) < 0 ||
		     ftruncate(publisher->fd, (off_t)publisher->size) < 0))
		err = -errno;
	if (!err)
		err = -posix_fallocate(publisher->fd, 0, EVENTS_AT);
	if (err)
		return err;
	publisher->map = mmap(NULL, publisher->size, PROT_READ | PROT_WRITE,
			      MAP_SHARED, publisher->fd, 0);
	if (publisher->map == MAP_FAILED) {
		publisher->map = NULL;
		return -errno;
	}
	publisher->header = publisher->map;
	publisher->control = segment_at(publisher->map, RPCBUF_SEGMENT_CONTROL);
	return 0;
}

/* No other process that runs has this number in this namespace: the name is
 * taken if this one made the file, and what a crashed one left is replaced.
 * The lock alone does not tell: children that the crashed one forked keep it.
 */
static bool name_is_taken(const char *path)
{
	struct rpcbuf_segment_header header;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool taken = fd >= 0 && segment_is_locked(fd) &&
		     pread(fd, &header, sizeof(header), 0) == sizeof(header) &&
		     header.start_ticks == segment_start_ticks(getpid());

	if (fd >= 0)
		close(fd);
	return taken;
}

/* The file gets its name when everything is in it. */
static int make_file(struct rpcbuf_publisher *publisher, const char *folder,
		     const char *name)
{
	char temporary[PATH_MAX];
	int err;

	if (snprintf(publisher->path, sizeof(publisher->path),
		     "%s/" RPCBUF_SEGMENT_PREFIX "%d.%" PRIu64 "%s%s", folder,
		     (int)getpid(), segment_pid_space(), name ? "-" : "",
		     name ? name : "") >= (int)sizeof(publisher->path) - 1)
		return -ENAMETOOLONG;
	snprintf(temporary, sizeof(temporary),
		 "%s/." RPCBUF_SEGMENT_PREFIX "%d.%" PRIu64 "-%s", folder,
		 (int)getpid(), segment_pid_space(), name ? name : "");
	if (name_is_taken(publisher->path))
		return -EEXIST;
	unlink(temporary);
	err = map_file(publisher, temporary);
	if (!err) {
		fill_header(publisher, name);
		if (rename(temporary, publisher->path) < 0)
			err = -errno;
	}
	if (err)
		unlink(temporary);
	return err;
}

static void free_publisher(struct rpcbuf_publisher *publisher)
{
	if (publisher->map)
		munmap(publisher->map, publisher->size);
	if (publisher->fd >= 0)
		close(publisher->fd);
	pthread_mutex_destroy(&publisher->lock);
	free(publisher);
}

/* Readers that copy meanwhile see an odd or another sequence. */
static void publication_begin(struct rpcbuf_segment_header *header)
{
	os_store(&header->sequence, header->sequence + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void publication_end(struct rpcbuf_segment_header *header)
{
	os_store_release(&header->sequence, header->sequence + 1);
}

static void collect_clients(struct rpcbuf_publisher *publisher)
{
	publisher->nr_clients = 0;
	publisher->lost_clients = 0;
	if (!(rpcbuf_publisher_watched(publisher, os_now()) &
	      RPCBUF_WATCH_CLIENTS))
		return;
	for (unsigned int i = 0; i < publisher->nr_sources; i++) {
		struct rpcbuf_source *source = &publisher->sources[i];

		if (source->owner && source->clients)
			source->clients(source->owner, publisher);
	}
}

static void collect_values(struct rpcbuf_publisher *publisher)
{
	for (unsigned int i = 0; i < publisher->nr_sources; i++) {
		struct rpcbuf_source *source = &publisher->sources[i];

		if (source->owner)
			source->read(source->owner,
				     publisher->values +
					     publisher->first_value[i]);
	}
}

/* Under the lock. */
static void publish_now(struct rpcbuf_publisher *publisher)
{
	struct rpcbuf_segment_header *header = publisher->header;

	collect_values(publisher);
	collect_clients(publisher);
	publication_begin(header);
	segment_copy(segment_at(publisher->map, VALUES_AT), publisher->values,
		     publisher->nr_values * sizeof(uint64_t));
	segment_copy(segment_at(publisher->map, CLIENTS_AT), publisher->clients,
		     publisher->nr_clients * sizeof(struct rpcbuf_client));
	os_store(&header->nr_metrics, publisher->nr_metrics);
	os_store(&header->nr_values, publisher->nr_values);
	os_store(&header->nr_clients, publisher->nr_clients);
	os_store(&header->lost_clients, publisher->lost_clients);
	os_store(&header->realtime_ns, os_wall_clock());
	os_store(&header->monotonic_ns, os_now());
	publication_end(header);
}

/* The ring has memory while a reader traces, and a while after. */
static void tend_ring(struct rpcbuf_publisher *publisher)
{
	off_t bytes = (off_t)(publisher->size - EVENTS_AT);
	uint64_t now = os_now();

	if (os_load(&publisher->control->until_ns[0]) - now <
	    RPCBUF_LEASE_MAX_NS) {
		publisher->traced_ns = now;
		if (!os_own(&publisher->ring_ready) &&
		    posix_fallocate(publisher->fd, EVENTS_AT, bytes) == 0)
			os_store_seq(&publisher->ring_ready, true);
	} else if (os_own(&publisher->ring_ready) &&
		   now - publisher->traced_ns > RING_IDLE_NS) {
		os_store_seq(&publisher->ring_ready, false);
		while (os_load_seq(&publisher->writers))
			os_yield();
		fallocate(publisher->fd,
			  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, EVENTS_AT,
			  bytes);
	}
}

static void *publisher_main(void *arg)
{
	struct rpcbuf_publisher *publisher = arg;
	uint32_t *word = &publisher->control->refresh;

	pthread_setname_np(pthread_self(), "rpcbuf-publish");
	for (;;) {
		uint32_t asked = os_load_acquire(word);

		publish_end_leases(publisher, os_now());
		/* First: a reader that asked for both finds the ring ready. */
		tend_ring(publisher);
		pthread_mutex_lock(&publisher->lock);
		publish_now(publisher);
		pthread_mutex_unlock(&publisher->lock);
		if (os_load_acquire(&publisher->stop))
			return NULL;
		segment_futex_wait(word, asked, PERIOD_NS);
	}
}

int rpcbuf_publisher_create(struct rpcbuf_publisher **out,
			    const struct rpcbuf_publisher_options *options)
{
	struct rpcbuf_publisher_options known = RPCBUF_PUBLISHER_OPTIONS_INIT;
	const struct rpcbuf_publisher_options *o = &known;
	struct rpcbuf_publisher *publisher;
	const char *folder;
	int err = options ? sized_read(&known, sizeof(known), options) : 0;

	if (err)
		return os_why(err, "the options of the publisher have %zu "
				   "bytes, this library knows %zu",
			      options->size, sizeof(known));
	folder = o->folder ? o->folder : RPCBUF_SEGMENT_FOLDER;
	if (!options_are_valid(o))
		return os_why(-EINVAL,
			      "an option of the publisher is out of range");
	publisher = calloc(1, sizeof(*publisher));
	if (!publisher)
		return os_why(-ENOMEM, "no %zu bytes for a publisher",
			      sizeof(*publisher));
	publisher->fd = -1;
	publisher->pid = getpid();
	publisher->nr_events = o->events ? o->events : EVENTS_DEFAULT;
	publisher->size =
		EVENTS_AT + publisher->nr_events * sizeof(struct rpcbuf_event);
	pthread_mutex_init(&publisher->lock, NULL);
	segment_clean(folder);
	err = make_file(publisher, folder, o->name);
	if (!err) {
		publisher->ring = segment_at(publisher->map, EVENTS_AT);
		err = os_thread_start(&publisher->thread, publisher_main,
				      publisher);
		if (err) {
			os_why(err, "no thread for a publisher");
			unlink(publisher->path);
		}
	} else {
		os_why(err, "no segment of %zu bytes in %s", publisher->size,
		       folder);
	}
	if (err) {
		free_publisher(publisher);
		return err;
	}
	*out = publisher;
	return 0;
}

void rpcbuf_publisher_end(struct rpcbuf_publisher *publisher)
{
	if (os_load(&publisher->stop) || publisher->pid != getpid())
		return;
	os_store_release(&publisher->stop, true);
	os_fetch_add_release(&publisher->control->refresh, 1);
	segment_futex_wake(&publisher->control->refresh);
	pthread_join(publisher->thread, NULL);
	os_store_release(&publisher->header->state, RPCBUF_SEGMENT_ENDED);
	unlink(publisher->path);
}

void rpcbuf_publisher_destroy(struct rpcbuf_publisher *publisher)
{
	if (!publisher)
		return;
	rpcbuf_publisher_end(publisher);
	free_publisher(publisher);
}

const char *rpcbuf_publisher_path(const struct rpcbuf_publisher *publisher)
{
	return publisher->path;
}

void rpcbuf_publisher_describe(struct rpcbuf_publisher *publisher,
			       const char *detail)
{
	char text[sizeof(publisher->header->detail)] = "";

	snprintf(text, sizeof(text), "%s", detail);
	pthread_mutex_lock(&publisher->lock);
	publication_begin(publisher->header);
	segment_copy(publisher->header->detail, text, sizeof(text));
	publication_end(publisher->header);
	pthread_mutex_unlock(&publisher->lock);
}
