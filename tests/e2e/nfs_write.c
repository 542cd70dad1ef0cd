/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: many asynchronous writes through libnfs, whose outcome can be checked.
 * Method: "copy" puts a local file to a URL in blocks; "random" makes writes of
 * random place and size from a seed and mirrors them into the local file, so
 * that both must be equal at the end. Writes that overlap one in flight wait
 * for it, as the server may do those in any order.
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>

enum { MAX_IN_FLIGHT = 64, MIB = 1 << 20, NFS_PROGRAM_NUMBER = 100003 };

struct slot {
	struct writer *writer;
	uint8_t *data;
	uint64_t offset;
	size_t len;
	bool busy;
};

struct writer {
	struct nfs_context *nfs;
	struct nfsfh *file;
	int local;
	size_t block, in_flight;
	uint64_t writes, span, seed;
	bool until_eof;
	uint64_t finished;
	struct slot slot[MAX_IN_FLIGHT];
};

/*
 * libnfs 4.0 encodes every v4 call into 4 KiB, too little for a larger WRITE;
 * its own function for more room exists but is not used there. This function
 * replaces the one in use.
 */
struct rpc_pdu *rpc_allocate_pdu2(struct rpc_context *rpc, int program,
				  int version, int procedure, rpc_cb cb,
				  void *opaque, void *decode, int decode_size,
				  size_t room);
struct rpc_pdu *rpc_allocate_pdu(struct rpc_context *rpc, int program,
				 int version, int procedure, rpc_cb cb,
				 void *opaque, void *decode, int decode_size);

struct rpc_pdu *rpc_allocate_pdu(struct rpc_context *rpc, int program,
				 int version, int procedure, rpc_cb cb,
				 void *opaque, void *decode, int decode_size)
{
	return rpc_allocate_pdu2(rpc, program, version, procedure, cb, opaque,
				 decode, decode_size,
				 program == NFS_PROGRAM_NUMBER && version == 4 ?
					 MIB + 4096 : 0);
}

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "nfs_write: ");
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void done(int status, struct nfs_context *nfs, void *data, void *opaque)
{
	struct slot *slot = opaque;

	(void)data;
	if (status < 0)
		die("write of %zu bytes at %llu: %s", slot->len,
		    (unsigned long long)slot->offset, nfs_get_error(nfs));
	if ((size_t)status != slot->len)
		die("write of %zu bytes at %llu: only %d were written",
		    slot->len, (unsigned long long)slot->offset, status);
	slot->busy = false;
	if (++slot->writer->finished % 64 == 0)
		printf("%llu\n", (unsigned long long)slot->writer->finished);
}

static void serve_events(struct writer *w)
{
	struct pollfd fd = { .fd = nfs_get_fd(w->nfs),
			     .events = nfs_which_events(w->nfs) };

	if (poll(&fd, 1, 100) < 0)
		die("poll failed");
	if (nfs_service(w->nfs, fd.revents) < 0)
		die("connection lost: %s", nfs_get_error(w->nfs));
}

static bool overlaps(const struct slot *a, uint64_t offset, size_t len)
{
	return a->busy && a->offset < offset + len && offset < a->offset + a->len;
}

/* A free slot for this range, when nothing in flight overlaps it. */
static struct slot *claim(struct writer *w, uint64_t offset, size_t len)
{
	for (;;) {
		struct slot *free_slot = NULL;
		bool clash = false;

		for (size_t i = 0; i < w->in_flight; i++) {
			clash = clash || overlaps(&w->slot[i], offset, len);
			if (!w->slot[i].busy)
				free_slot = &w->slot[i];
		}
		if (free_slot && !clash) {
			free_slot->offset = offset;
			free_slot->len = len;
			return free_slot;
		}
		serve_events(w);
	}
}

static void submit(struct writer *w, struct slot *slot)
{
	slot->busy = true;
	if (nfs_pwrite_async(w->nfs, w->file, slot->offset, slot->len,
			     slot->data, done, slot))
		die("write: %s", nfs_get_error(w->nfs));
}

static void drain(struct writer *w)
{
	for (size_t i = 0; i < w->in_flight; i++)
		while (w->slot[i].busy)
			serve_events(w);
}

static void copy(struct writer *w)
{
	uint64_t offset = 0;

	for (;;) {
		struct slot *slot = claim(w, offset, w->block);
		ssize_t len = pread(w->local, slot->data, w->block, offset);

		if (len < 0)
			die("the local file cannot be read");
		if (!len)
			break;
		slot->len = len;
		submit(w, slot);
		offset += len;
	}
	drain(w);
}

static bool enough(struct writer *w, uint64_t made)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char byte;

	if (!w->until_eof)
		return made >= w->writes;
	return poll(&in, 1, 0) > 0 && read(0, &byte, 1) == 0;
}

static void write_randomly(struct writer *w)
{
	uint64_t state = w->seed * 0x9e3779b97f4a7c15u | 1;

	for (uint64_t made = 0; !enough(w, made); made++) {
		/* The exponent is random: small sizes are as likely as large
		 * ones. */
		size_t bound = w->block >> next_random(&state) % 20;
		size_t len = 1 + next_random(&state) % (bound ? bound : 1);
		uint64_t offset = next_random(&state) % w->span;
		struct slot *slot = claim(w, offset, len);

		for (size_t i = 0; i < len; i += sizeof(state)) {
			next_random(&state);
			memcpy(slot->data + i, &state, sizeof(state));
		}
		if (pwrite(w->local, slot->data, len, offset) != (ssize_t)len)
			die("the local file cannot be written");
		submit(w, slot);
	}
	drain(w);
}

static void open_remote(struct writer *w, const char *address, int retries)
{
	struct nfs_url *url;

	w->nfs = nfs_init_context();
	url = nfs_parse_url_full(w->nfs, address);
	if (!url)
		die("%s: %s", address, nfs_get_error(w->nfs));
	nfs_set_autoreconnect(w->nfs, retries);
	if (nfs_mount(w->nfs, url->server, url->path))
		die("mount: %s", nfs_get_error(w->nfs));
	if (nfs_open2(w->nfs, url->file, O_CREAT | O_RDWR, 0644, &w->file))
		die("open: %s", nfs_get_error(w->nfs));
	nfs_destroy_url(url);
}

static void __attribute__((noreturn)) usage(void)
{
	die("usage: [--seed N] [--writes N | --until-eof] [--span BYTES]\n"
	    "\t[--block BYTES] [--in-flight N] [--reconnect] copy|random URL FILE");
}

int main(int argc, char **argv)
{
	struct writer w = { .block = MIB, .in_flight = 16, .writes = 1000,
			    .span = 16 * MIB, .seed = 1 };
	int c, retries = 0;
	static const struct option table[] = {
		{ "seed", 1, NULL, 's' },      { "writes", 1, NULL, 'n' },
		{ "span", 1, NULL, 'p' },      { "block", 1, NULL, 'b' },
		{ "in-flight", 1, NULL, 'i' }, { "reconnect", 0, NULL, 'r' },
		{ "until-eof", 0, NULL, 'e' }, { 0 },
	};

	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (c) {
		case 's': w.seed = strtoull(optarg, NULL, 0); break;
		case 'n': w.writes = strtoull(optarg, NULL, 0); break;
		case 'p': w.span = strtoull(optarg, NULL, 0); break;
		case 'b': w.block = strtoull(optarg, NULL, 0); break;
		case 'i': w.in_flight = strtoull(optarg, NULL, 0); break;
		case 'r': retries = -1; break;
		case 'e': w.until_eof = true; break;
		default: usage();
		}
	}
	if (argc != optind + 3 || !w.block || w.block > MIB || !w.span ||
	    !w.in_flight || w.in_flight > MAX_IN_FLIGHT)
		usage();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	w.local = open(argv[optind + 2], O_RDWR | O_CREAT, 0644);
	if (w.local < 0)
		die("%s cannot be opened", argv[optind + 2]);
	for (size_t i = 0; i < w.in_flight; i++) {
		w.slot[i].writer = &w;
		w.slot[i].data = malloc(w.block + sizeof(uint64_t));
		if (!w.slot[i].data)
			die("no memory");
	}
	open_remote(&w, argv[optind + 1], retries);
	if (!strcmp(argv[optind], "copy"))
		copy(&w);
	else if (!strcmp(argv[optind], "random"))
		write_randomly(&w);
	else
		usage();
	if (nfs_close(w.nfs, w.file))
		die("close: %s", nfs_get_error(w.nfs));
	nfs_destroy_context(w.nfs);
	printf("%llu\n", (unsigned long long)w.finished);
	return 0;
}
