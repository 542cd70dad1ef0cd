/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A reader's side of a segment.  What the header says is copied once, checked,
 * and only the copy is used: the file may come to contain anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <rpcbuf/segment.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rpcbuf/os/os.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/segment.h"
#include <rpcbuf/os/sized.h>

#define LEASE_NS      (3 * OS_SECOND_NS)
#define COPY_ATTEMPTS 1000
/* An event that stays unfinished for so long is given up. */
#define PATIENCE_NS   OS_SECOND_NS
#define HEADER_LEAST  (offsetof(struct rpcbuf_segment_header, head) + 8)

struct rpcbuf_segment {
	struct rpcbuf_segment_header header; /* a copy */
	struct rpcbuf_segment_header *shared;
	struct rpcbuf_segment_control *control; /* NULL: may not be written */
	char *map;
	uint64_t size;
	int fd;
	bool begun;
	uint64_t next; /* number of the event to read next */
	uint64_t lost;
	uint64_t stalled_ns; /* since when `next` is unfinished, or 0 */
	struct rpcbuf_snapshot snapshot;
};

static const size_t entry_sizes[RPCBUF_SECTION_NR] = {
	[RPCBUF_SECTION_METRICS] = sizeof(struct rpcbuf_metric),
	[RPCBUF_SECTION_VALUES] = sizeof(uint64_t),
	[RPCBUF_SECTION_CLIENTS] = sizeof(struct rpcbuf_client),
	[RPCBUF_SECTION_EVENTS] = sizeof(struct rpcbuf_event),
};
static const uint32_t entries_max[RPCBUF_SECTION_NR] = {
	[RPCBUF_SECTION_METRICS] = RPCBUF_METRICS_MAX,
	[RPCBUF_SECTION_VALUES] = RPCBUF_VALUES_MAX,
	[RPCBUF_SECTION_CLIENTS] = RPCBUF_CLIENTS_MAX,
	[RPCBUF_SECTION_EVENTS] = 1u << 20,
};

static bool section_is_sound(const struct rpcbuf_segment_header *header,
			     unsigned int i)
{
	const struct rpcbuf_segment_section *section = &header->sections[i];
	uint64_t bytes = (uint64_t)section->entry_size * section->entries;

	return section->entry_size == entry_sizes[i] && section->entries &&
	       section->entries <= entries_max[i] && section->offset % 8 == 0 &&
	       section->offset >= 2 * RPCBUF_SEGMENT_CONTROL &&
	       section->offset <= header->size &&
	       bytes <= header->size - section->offset;
}

/* Text that goes to terminals. */
static bool text_is_sound(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return len < size;
}

static bool header_is_sound(const struct rpcbuf_segment_header *h)
{
	uint32_t ring = h->sections[RPCBUF_SECTION_EVENTS].entries;

	for (unsigned int i = 0; i < RPCBUF_SECTION_NR; i++)
		if (!section_is_sound(h, i))
			return false;
	return h->header_size >= HEADER_LEAST && h->pid > 0 &&
	       !(ring & (ring - 1)) &&
	       text_is_sound(h->name, sizeof(h->name)) &&
	       text_is_sound(h->program, sizeof(h->program)) &&
	       text_is_sound(h->release, sizeof(h->release)) &&
	       text_is_sound(h->detail, sizeof(h->detail));
}

/* Small files first: what is no segment need not be long enough for one. */
static int check_header(struct rpcbuf_segment *segment)
{
	struct rpcbuf_segment_header *header = &segment->header;
	struct stat st;
	ssize_t n;

	if (fstat(segment->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EPROTO;
	n = pread(segment->fd, header, sizeof(*header), 0);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENODATA;
	if (memcmp(header->magic, RPCBUF_SEGMENT_MAGIC,
		   n < (ssize_t)sizeof(header->magic) ? (size_t)n
						      : sizeof(header->magic)))
		return -EPROTO;
	if (n < (ssize_t)sizeof(*header))
		return -ENODATA;
	if (header->version != RPCBUF_SEGMENT_VERSION)
		return -EPROTONOSUPPORT;
	if ((uint64_t)st.st_size < header->size)
		return -ENODATA;
	return header_is_sound(header) ? 0 : -EBADMSG;
}

static int map_segment(struct rpcbuf_segment *segment)
{
	void *control;

	segment->size = segment->header.size;
	segment->map = mmap(NULL, segment->size, PROT_READ, MAP_SHARED,
			    segment->fd, 0);
	if (segment->map == MAP_FAILED) {
		segment->map = NULL;
		return -errno;
	}
	segment->shared = (struct rpcbuf_segment_header *)segment->map;
	control = mmap(NULL, RPCBUF_SEGMENT_CONTROL, PROT_READ | PROT_WRITE,
		       MAP_SHARED, segment->fd, RPCBUF_SEGMENT_CONTROL);
	segment->control = control == MAP_FAILED ? NULL : control;
	return 0;
}

/* A fifo must not keep us waiting; a folder cannot be opened for writing. */
static int open_file(const char *path)
{
	const int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, O_RDWR | flags);

	if (fd < 0 && errno != ENOENT)
		fd = open(path, O_RDONLY | flags);
	return fd < 0 ? -errno : fd;
}

int rpcbuf_segment_attach(struct rpcbuf_segment **out, const char *path)
{
	struct rpcbuf_segment *segment = calloc(1, sizeof(*segment));
	int err;

	if (!segment)
		return -ENOMEM;
	segment->fd = open_file(path);
	if (segment->fd < 0) {
		err = segment->fd;
		free(segment);
		return err;
	}
	err = check_header(segment);
	if (!err)
		err = map_segment(segment);
	if (err) {
		rpcbuf_segment_detach(segment);
		return err;
	}
	*out = segment;
	return 0;
}

void rpcbuf_segment_detach(struct rpcbuf_segment *segment)
{
	if (segment->control)
		munmap(segment->control, RPCBUF_SEGMENT_CONTROL);
	if (segment->map)
		munmap(segment->map, segment->size);
	close(segment->fd);
	free(segment);
}

const struct rpcbuf_segment_header *
rpcbuf_segment_header(const struct rpcbuf_segment *segment)
{
	return &segment->header;
}

/* The lock of a program that has ended lives on in children it forked, so its
 * number is asked as well, where that is the same for both of us. */
bool rpcbuf_segment_alive(const struct rpcbuf_segment *segment)
{
	const struct rpcbuf_segment_header *header = &segment->header;

	if (os_load_acquire(&segment->shared->state) != RPCBUF_SEGMENT_LIVE ||
	    !segment_is_locked(segment->fd))
		return false;
	if (header->pid_space != segment_pid_space() || !header->start_ticks)
		return true;
	return segment_start_ticks(header->pid) == header->start_ticks;
}

int rpcbuf_segment_refresh(struct rpcbuf_segment *segment,
			   unsigned int timeout_ms)
{
	const struct timespec pause = {.tv_nsec = 100000};
	uint64_t end = os_now() + timeout_ms * OS_MS_NS;
	uint64_t before;

	if (!segment->control)
		return -EACCES;
	/* One that is under way may have read its figures before now. */
	before = os_load_acquire(&segment->shared->sequence) | 1;
	__atomic_fetch_add(&segment->control->refresh, 1, __ATOMIC_SEQ_CST);
	segment_futex_wake(&segment->control->refresh);
	while (os_load_acquire(&segment->shared->sequence) <= before) {
		if (os_now() >= end)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int rpcbuf_segment_watch(struct rpcbuf_segment *segment, unsigned int what)
{
	uint64_t until = os_now() + LEASE_NS;

	if (!segment->control)
		return -EACCES;
	for (unsigned int i = 0; i < RPCBUF_WATCH_NR; i++)
		if (what & 1u << i)
			os_store(&segment->control->until_ns[i], until);
	return 0;
}

static const void *section(const struct rpcbuf_segment *segment,
			   enum rpcbuf_section i)
{
	return segment->map + segment->header.sections[i].offset;
}

static void copy_snapshot(const struct rpcbuf_segment *segment,
			  struct rpcbuf_snapshot *snapshot)
{
	const struct rpcbuf_segment_header *shared = segment->shared;

	*snapshot = (struct rpcbuf_snapshot){
		.realtime_ns = os_load(&shared->realtime_ns),
		.monotonic_ns = os_load(&shared->monotonic_ns),
		.nr_metrics = os_load(&shared->nr_metrics),
		.nr_values = os_load(&shared->nr_values),
		.nr_clients = os_load(&shared->nr_clients),
		.lost_clients = os_load(&shared->lost_clients),
	};
}

static bool counts_are_sound(const struct rpcbuf_segment *segment,
			     const struct rpcbuf_snapshot *snapshot)
{
	const struct rpcbuf_segment_section *sections =
		segment->header.sections;

	return snapshot->nr_metrics <=
		       sections[RPCBUF_SECTION_METRICS].entries &&
	       snapshot->nr_values <= sections[RPCBUF_SECTION_VALUES].entries &&
	       snapshot->nr_clients <= sections[RPCBUF_SECTION_CLIENTS].entries;
}

static void copy_sections(const struct rpcbuf_segment *segment,
			  struct rpcbuf_snapshot *snapshot)
{
	segment_copy(snapshot->metrics,
		     section(segment, RPCBUF_SECTION_METRICS),
		     snapshot->nr_metrics * sizeof(*snapshot->metrics));
	segment_copy(snapshot->values, section(segment, RPCBUF_SECTION_VALUES),
		     snapshot->nr_values * sizeof(*snapshot->values));
	segment_copy(snapshot->clients,
		     section(segment, RPCBUF_SECTION_CLIENTS),
		     snapshot->nr_clients * sizeof(*snapshot->clients));
}

/* Names are identifiers: they go to terminals and into other formats. */
static bool name_is_sound(const char *name, size_t size)
{
	size_t len = strnlen(name, size);

	return len && len < size &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool metrics_are_sound(const struct rpcbuf_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->nr_metrics; i++) {
		const struct rpcbuf_metric *metric = &snapshot->metrics[i];

		if (!name_is_sound(metric->name, sizeof(metric->name)) ||
		    !text_is_sound(metric->help, sizeof(metric->help)) ||
		    !metric->count ||
		    (uint32_t)metric->first + metric->count >
			    snapshot->nr_values)
			return false;
	}
	return true;
}

static int read_snapshot(const struct rpcbuf_segment *segment,
			 struct rpcbuf_snapshot *snapshot)
{
	const struct timespec pause = {.tv_nsec = 100000};

	for (unsigned int i = 0; i < COPY_ATTEMPTS; i++) {
		uint64_t sequence = os_load_acquire(&segment->shared->sequence);
		bool sound = false;

		if (!(sequence & 1)) {
			copy_snapshot(segment, snapshot);
			sound = counts_are_sound(segment, snapshot);
			if (sound)
				copy_sections(segment, snapshot);
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
		}
		if (!(sequence & 1) &&
		    os_load(&segment->shared->sequence) == sequence)
			return sound && metrics_are_sound(snapshot) ? 0
								    : -EBADMSG;
		nanosleep(&pause, NULL);
	}
	return -EAGAIN;
}

int rpcbuf_segment_read(struct rpcbuf_segment *segment,
			struct rpcbuf_snapshot *snapshot)
{
	int err = sized_check(snapshot->size, sizeof(*snapshot));

	if (!err)
		err = read_snapshot(segment, &segment->snapshot);
	if (err)
		return err;
	return sized_write(snapshot, &segment->snapshot, sizeof(*snapshot));
}

/* Counts events that are gone because the ring came round, and goes on where
 * there are some. */
static void skip_lost(struct rpcbuf_segment *segment, uint64_t head)
{
	uint64_t ring = segment->header.sections[RPCBUF_SECTION_EVENTS].entries;
	uint64_t oldest = head > ring ? head - ring : 0;

	if (segment->next >= oldest)
		return;
	segment->lost += oldest - segment->next;
	segment->next = oldest;
	segment->stalled_ns = 0;
}

/* A writer that sleeps in the middle of a record, or that found it taken.  Time
 * is left to it as long as there is room for others. */
static bool give_up(struct rpcbuf_segment *segment, uint64_t head)
{
	uint64_t ring = segment->header.sections[RPCBUF_SECTION_EVENTS].entries;
	uint64_t now = os_now();

	if (!segment->stalled_ns)
		segment->stalled_ns = now;
	if (now - segment->stalled_ns < PATIENCE_NS &&
	    head - segment->next <= ring / 2)
		return false;
	segment->stalled_ns = 0;
	segment->lost++;
	segment->next++;
	return true;
}

/* 1: read; 0: not finished yet; -1: overwritten. */
static int take_event(struct rpcbuf_segment *segment,
		      struct rpcbuf_event *event)
{
	const struct rpcbuf_segment_section *ring =
		&segment->header.sections[RPCBUF_SECTION_EVENTS];
	const struct rpcbuf_event *records =
		section(segment, RPCBUF_SECTION_EVENTS);
	const struct rpcbuf_event *record =
		&records[segment->next & (ring->entries - 1)];
	uint64_t sequence = os_load_acquire(&record->sequence);

	if (sequence & EVENT_BUSY)
		return 0;
	if (sequence != segment->next + 1)
		return sequence > segment->next + 1 ? -1 : 0;
	segment_copy(event, record, sizeof(*event));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (os_load(&record->sequence) != sequence)
		return -1;
	return 1;
}

int rpcbuf_segment_next_event(struct rpcbuf_segment *segment,
			      struct rpcbuf_event *event)
{
	uint64_t head = os_load_acquire(&segment->shared->head);

	if (!segment->begun) {
		segment->next = head;
		segment->begun = true;
	}
	/* A head that went back was scribbled on. */
	if (head < segment->next)
		segment->next = head;
	for (;;) {
		int ret;

		skip_lost(segment, head);
		if (segment->next >= head)
			return 0;
		ret = take_event(segment, event);
		if (ret > 0) {
			segment->next++;
			segment->stalled_ns = 0;
			return 1;
		}
		if (ret < 0) {
			segment->next++;
			segment->lost++;
			segment->stalled_ns = 0;
		} else if (!give_up(segment, head)) {
			return 0;
		}
	}
}

uint64_t rpcbuf_segment_lost(const struct rpcbuf_segment *segment)
{
	return segment->lost;
}
