/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/segment.h - what a running program shows of itself, for readers.
 *
 * A program that publishes (rpcbuf/publish.h) has a file in shared memory,
 * RPCBUF_SEGMENT_FOLDER/rpcbuf-PID.SPACE or rpcbuf-PID.SPACE-NAME, mode 0600:
 * its user and root may read it, while it runs and without stopping it.  PID is
 * the process as it sees itself, SPACE the inode of its PID namespace:
 * containers that share the folder may have processes of the same PID.  The
 * first page is a header that says where everything else is; counters and
 * histograms carry their names and meanings, so a reader shows those of a newer
 * program too.
 *
 * What costs the program something is done only while a reader asks for it: a
 * reader renews a lease (rpcbuf_segment_watch()), and when it dies the lease
 * runs out by itself.  The program locks its file, and the system drops that
 * lock however it ends: that is how a segment is known to be of the dead.
 *
 * Values are in the byte order of the machine.  All offsets are from the
 * beginning of the file.  Readers trust nothing in it: these functions check.
 *
 * Threads: a handle is used by one at a time.  Nothing here waits, except where
 * it says so.
 */
#ifndef RPCBUF_SEGMENT_H
#define RPCBUF_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPCBUF_SEGMENT_FOLDER "/dev/shm"
#define RPCBUF_SEGMENT_PREFIX "rpcbuf-"
#define RPCBUF_SEGMENT_MAGIC  "rpcbuf\r\n" /* eight bytes */
/* Another number: another layout.  Sections and fields that are added at the
 * end do not change it. */
#define RPCBUF_SEGMENT_VERSION 1u

/* An array of `entries` structs, of `entry_size` bytes each. */
struct rpcbuf_segment_section {
	uint64_t offset;
	uint32_t entry_size;
	uint32_t entries;
};

enum rpcbuf_section {
	RPCBUF_SECTION_METRICS, /* struct rpcbuf_metric */
	RPCBUF_SECTION_VALUES,	/* uint64_t */
	RPCBUF_SECTION_CLIENTS, /* struct rpcbuf_client */
	RPCBUF_SECTION_EVENTS,	/* struct rpcbuf_event, a ring */
	RPCBUF_SECTION_NR,
	RPCBUF_SECTION_MAX = 16,
};

enum rpcbuf_segment_state {
	RPCBUF_SEGMENT_LIVE = 1,
	RPCBUF_SEGMENT_ENDED, /* the program let go of it */
};

struct rpcbuf_segment_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size;
	uint64_t size;	       /* bytes of the file */
	uint64_t start_ticks;  /* of the process: field 22 of /proc/PID/stat */
	uint64_t pid_space;    /* inode of its /proc/self/ns/pid */
	int32_t pid;	       /* as it sees itself */
	uint32_t state;	       /* enum rpcbuf_segment_state */
	char name[32];	       /* what the publisher was given, or "" */
	char program[32];      /* of the process */
	char release[16];      /* of the library */
	char detail[64];       /* "engine epoll", or "" */
	struct rpcbuf_segment_section sections[RPCBUF_SECTION_MAX];
	/* Below: written with each publication. */
	uint64_t sequence;     /* odd while one is under way */
	uint64_t realtime_ns;  /* when, since 1970 */
	uint64_t monotonic_ns; /* ... and CLOCK_MONOTONIC */
	uint32_t nr_metrics;
	uint32_t nr_values;
	uint32_t nr_clients;
	uint32_t lost_clients; /* for which the table had no room */
	/* Events that were begun; the next goes to this number modulo the
	 * entries of the ring. */
	uint64_t head __attribute__((aligned(64)));
};

/* What a reader asks for: bits. */
enum rpcbuf_watch {
	RPCBUF_WATCH_EVENTS = 1 << 0,  /* a record per call */
	RPCBUF_WATCH_TIMES = 1 << 1,   /* clocks around what takes time */
	RPCBUF_WATCH_CLIENTS = 1 << 2, /* the table of clients */
};
#define RPCBUF_WATCH_NR 3

/* The second page, the only one that readers write to. */
struct rpcbuf_segment_control {
	uint32_t refresh; /* a futex: one more, and a wake, asks for a
			   * publication now */
	uint32_t unused;
	uint64_t until_ns[8]; /* per bit of enum rpcbuf_watch, when the lease
			       * ends, on CLOCK_MONOTONIC */
};
#define RPCBUF_SEGMENT_CONTROL 4096 /* its offset */
/* A lease of more than this from now is none: a reader that is alive renews. */
#define RPCBUF_LEASE_MAX_NS UINT64_C(10000000000)

enum rpcbuf_metric_kind {
	RPCBUF_COUNTER,	  /* only grows */
	RPCBUF_GAUGE,	  /* a level now */
	RPCBUF_MAXIMUM,	  /* the highest so far */
	RPCBUF_HISTOGRAM, /* value i counts what was at most 2^i and more than
			   * 2^(i-1); the last takes what is above, too */
};

/* Names in _pages, _bytes and _ns are in these units. */
struct rpcbuf_metric {
	char name[40];
	char help[80];
	uint32_t kind;	/* enum rpcbuf_metric_kind */
	uint16_t first; /* of its values in the section of values */
	uint16_t count; /* 1, or the buckets of a histogram */
};

/* One address with connections, all of them together. */
struct rpcbuf_client {
	uint8_t address[16]; /* IPv6; IPv4 is mapped into it, local is zero,
			      * and all ones are connections that the program
			      * itself opened */
	uint32_t connections;
	uint32_t waiting;    /* of these, how many wait for pages */
	uint32_t unsent;     /* ... do not read their replies */
	uint32_t busy;	     /* ... wait for their own calls */
	uint32_t in_flight;  /* calls */
	uint32_t unused;
	uint64_t held_pages; /* in records that came in part */
	uint64_t held_bytes; /* that came of these */
	uint64_t unsent_bytes; /* of replies that wait for it to read */
	uint64_t waiting_ns; /* since when one of them waits, the longest, on
			      * CLOCK_MONOTONIC; 0: none does */
	uint64_t requests;   /* of the connections that there are now */
	uint64_t bytes;	     /* the same */
	uint64_t waits;	     /* times that one of these waited for pages */
	/* Records refused, of all connections while there was one. */
	uint64_t refused_length;
	uint64_t refused_fragments;
	uint64_t refused_short;
	uint64_t refused_timeout;
	uint64_t reply_bytes;	    /* of the connections that there are now */
	uint64_t unsent_kept_bytes; /* of memory, by the replies of
				     * unsent_bytes */
	uint64_t reserved[2];
};

#define RPCBUF_EVENT_OPS 32

/* One call, written when it is done. */
struct rpcbuf_event {
	uint64_t sequence;   /* its number + 1; written last */
	uint64_t time_ns;    /* CLOCK_MONOTONIC when it had come whole */
	uint8_t address[16]; /* as of struct rpcbuf_client */
	uint16_t port;
	uint8_t nr_ops;	     /* operations of an NFSv4 compound, all */
	uint8_t flags;	     /* RPCBUF_EVENT_* */
	uint32_t xid, program, version, procedure;
	uint32_t bytes;	     /* on the wire */
	uint32_t fragments;
	uint32_t pages;	     /* that it reaches into */
	uint32_t filled;     /* that bulk calls put into the vector for it */
	uint32_t reused;     /* that were in the vector, or shared, before */
	uint32_t runs;	     /* stretches of adjacent pages */
	uint32_t bulk_calls;
	uint32_t receives;   /* system calls */
	uint32_t in_place;   /* payloads used where they lie */
	uint32_t copied;     /* payloads copied out */
	uint32_t thread;     /* the kernel's number of the one that ran it */
	uint64_t copied_bytes;
	uint64_t wait_ns;    /* waiting for pages */
	uint64_t fill_ns;    /* in bulk calls */
	uint64_t receive_ns; /* from its first byte to its last */
	uint64_t reply_ns;   /* from there until it was done */
	uint8_t ops[RPCBUF_EVENT_OPS]; /* the first of them */
	uint32_t reply_bytes; /* of its reply, marks included; 0: it has none */
	uint32_t reply_pages; /* that this was encoded in */
	uint32_t reply_reserved; /* ... of these, those of a reserve */
	uint32_t unused;
	uint64_t reserved[9];
};

#define RPCBUF_EVENT_NO_CALL (1 << 0) /* a reply to a call of the program */
#define RPCBUF_EVENT_CUT_OPS (1 << 1) /* the walk over a compound ended early */

struct rpcbuf_segment;

/*
 * rpcbuf_segment_attach - map the segment in the file @path.
 *
 * Returns 0; -ENOENT, -EACCES or another errno of open(2); -EPROTO: no segment;
 * -EPROTONOSUPPORT: of another version; -ENODATA: cut short; -EBADMSG: what its
 * header says cannot be.  A segment of a program that has ended is no error.
 */
int rpcbuf_segment_attach(struct rpcbuf_segment **segment, const char *path);
void rpcbuf_segment_detach(struct rpcbuf_segment *segment);

/* The header as it was on attaching. */
const struct rpcbuf_segment_header *
rpcbuf_segment_header(const struct rpcbuf_segment *segment);

/* Does the program that made it still run, and publish? */
bool rpcbuf_segment_alive(const struct rpcbuf_segment *segment);

/*
 * rpcbuf_segment_refresh - have the program publish now.
 *
 * Waits for it, @timeout_ms at most.  0; -EACCES when the segment could only be
 * opened for reading; -ETIMEDOUT.  Without it a publication is up to a second
 * old.
 */
int rpcbuf_segment_refresh(struct rpcbuf_segment *segment,
			   unsigned int timeout_ms);

/* Asks for the RPCBUF_WATCH_* bits of @what for three seconds from now; to be
 * renewed each second.  0 or -EACCES. */
int rpcbuf_segment_watch(struct rpcbuf_segment *segment, unsigned int what);

/* One publication.  The caller's memory; strings are terminated, and indexes
 * in bounds. */
#define RPCBUF_METRICS_MAX 256
#define RPCBUF_VALUES_MAX  1024
#define RPCBUF_CLIENTS_MAX 512
struct rpcbuf_snapshot {
	size_t size; /* sizeof(struct rpcbuf_snapshot) */
	uint64_t realtime_ns, monotonic_ns;
	uint32_t nr_metrics, nr_clients, lost_clients;
	uint32_t nr_values;
	struct rpcbuf_metric metrics[RPCBUF_METRICS_MAX];
	uint64_t values[RPCBUF_VALUES_MAX];
	struct rpcbuf_client clients[RPCBUF_CLIENTS_MAX];
};

#define RPCBUF_SNAPSHOT_INIT { .size = sizeof(struct rpcbuf_snapshot) }

/* Copies the last publication.  Returns 0; -EINVAL or -E2BIG for a wrong `size`;
 * -EBADMSG when the publication makes no sense; -EAGAIN when one stayed under way,
 * for instance because the program died in it. */
int rpcbuf_segment_read(struct rpcbuf_segment *segment,
			struct rpcbuf_snapshot *snapshot);

/*
 * rpcbuf_segment_next_event - take the next event.
 *
 * The first call begins with what comes then.  Returns 1 with an event, 0 when
 * there is none now.  Events that were overwritten before they were read,
 * or that stay unfinished, are left out and counted.
 */
int rpcbuf_segment_next_event(struct rpcbuf_segment *segment,
			      struct rpcbuf_event *event);
uint64_t rpcbuf_segment_lost(const struct rpcbuf_segment *segment);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_SEGMENT_H */
