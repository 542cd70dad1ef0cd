/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/tirpc.h - page vectors under servers made with rpcgen and libtirpc.
 *
 * A server changes the line that makes its TCP transport:
 *
 *	- transp = svctcp_create(RPC_ANYSOCK, 0, 0);
 *	+ transp = svc_rpcbuf_create(RPC_ANYSOCK, NULL);
 *
 * The SVCXPRT is one like any other: svc_reg() and svc_register() take it,
 * svc_run() serves it, rpcgen's dispatchers, svc_getargs(), svc_sendreply(),
 * svc_freeargs(), svc_getrpccaller() and every flavour of authentication work
 * on its connections unchanged.  Calls are received into pages of a vector, and
 * a peer that sends slowly never stalls the others; replies are encoded into
 * pages and sent as they lie there.  While calls of a client wait together,
 * their replies do so too, for microseconds, and leave together; where a call
 * lasts, those before it leave meanwhile.
 *
 * A server whose dispatchers are thread-safe (rpcgen -M) changes a second line:
 *
 *	- svc_run();
 *	+ rpcbuf_svc_run(NULL);
 *
 * and its calls run on the threads of an engine (rpcbuf/engine.h): calls of
 * different connections side by side, those of one connection one after the
 * other, in order.  A dispatcher answers before it returns.
 *
 * Link with -lrpcbuf_tirpc (pkg-config rpcbuf-tirpc).  Include <rpc/rpc.h> of
 * libtirpc, not of another library.
 *
 * Memory: all transports of a process share one instance (rpcbuf/mm.h), made at
 * the first creation unless the program gives one.  The instance belongs to
 * the process that made it: create transports after daemon() or fork().  A
 * dispatcher may fork and leave the answer to the child, which ends then: the
 * child answers from its own heap, at once; replies that wait are sent by the
 * parent before it forks, which waits for the client to read, for send_timeout at
 * most.
 *
 * Threads: as libtirpc's, creation, destruction and svc_run() are one thread's,
 * unless rpcbuf_svc_run() runs; then transports may be created and destroyed
 * by any.
 */
#ifndef RPCBUF_TIRPC_H
#define RPCBUF_TIRPC_H

#include <rpc/rpc.h>
#include <rpcbuf/cursor.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/record.h>
#include <rpcbuf/tbl/svc_counters.def>
#include <rpcbuf/writer.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start from RPCBUF_SVC_OPTIONS_INIT; NULL in place of options is the same. */
struct rpcbuf_svc_options {
	size_t size;	   /* sizeof(struct rpcbuf_svc_options) */
	struct rpcbuf *mm; /* the instance, the caller's; it outlives the
			    * transports.  NULL: one of the library's own */
	uint64_t memory;   /* page budget of that, in bytes */
	struct rpcbuf_record_limits limits; /* of calls under svc_run();
			    * rpcbuf_svc_run() has its own */
	uint32_t send_timeout; /* seconds that a client has to take a whole
			    * reply that is waited for, or in which it has
			    * to take some of another one, 1 to 3600; then
			    * it is disconnected.  Under svc_run() the whole
			    * server waits meanwhile, as libtirpc's does */
	/* Gets a sentence, without a newline, about each refusal, at most ten
	 * a second.  NULL: they go to standard error. */
	void (*log)(enum rpcbuf_log_level level, const char *line);
};

#define RPCBUF_SVC_OPTIONS_INIT                                                \
	{                                                                      \
		.size = sizeof(struct rpcbuf_svc_options),                     \
		.memory = (uint64_t)64 << 20,                                  \
		.limits = { .max_length = 258 << RPCBUF_PAGE_SHIFT,            \
			    .max_fragments = 65536,                            \
			    .min_length = RPCBUF_CALL_MIN },                   \
		.send_timeout = 30,                                            \
	}

/*
 * svc_rpcbuf_create - a transport that accepts connections, in place of
 * svc_vc_create() and svctcp_create().
 *
 * @sock: a listening stream socket, of any family; it belongs to the transport
 * from now on, and is made non-blocking.  RPC_ANYSOCK: a new one of TCP over
 * IPv4, on any address and a free port.  xp_port is the port where there is
 * one.
 *
 * Returns the transport, registered with svc_run(), or NULL with errno set and
 * a sentence to the log; @sock is then the caller's still:
 *   EBADF, ENOTSOCK    @sock is no open socket
 *   ESOCKTNOSUPPORT    it is no stream socket
 *   EINVAL             it does not listen; an option is out of range; another
 *                      instance than that of earlier transports
 *   ECHILD             the instance was made before this process was forked
 *   ENOMEM             the budget has no room for the longest call, or malloc
 *   EMFILE             the descriptor lies above libtirpc's table
 */
SVCXPRT *svc_rpcbuf_create(int sock, const struct rpcbuf_svc_options *options);

/* The same for a connection, in place of svc_fd_create(): ENOTCONN when @fd is
 * not connected. */
SVCXPRT *svc_rpcbuf_fd_create(int fd, const struct rpcbuf_svc_options *options);

/*
 * rpcbuf_svc_run - serve on several threads, in place of svc_run().
 *
 * @options: of the engine; its limits and time-outs hold for all connections of
 * svc_rpcbuf transports.  handler_size is ignored, and max_calls is 8 at most.
 * NULL: RPCBUF_ENGINE_OPTIONS_INIT, but max_receiving 2 MiB, so that many
 * clients that send 1 MiB at once take less memory than under svc_run() of
 * libtirpc alone, and batch_calls 32.  Other transports (UDP, stock TCP) are
 * served too, by the calling thread, one call at a time as in svc_run().
 *
 * Returns 0 after rpcbuf_svc_exit(), when calls were answered and connections
 * closed; else a sentence goes to the log and it returns -EINVAL when an
 * option is out of range or there is no svc_rpcbuf transport, -ECHILD (see
 * above), -EBUSY when it runs already, -ETIMEDOUT when calls were still
 * running 10 s after the exit was asked for (they are left alone), or what the
 * engine could not be created with.
 *
 * A call that lasts keeps its thread and holds up later ones of its own
 * connection only.  So does a client that does not read, for send_timeout at
 * most, where the reply has an rpcbuf_bytes_ref or is longer than 1 MiB; other
 * replies wait in memory (rpcbuf_call_reply() in rpcbuf/engine.h), and nothing
 * more is read from the client once they are too many.  Arguments by reference are valid until the dispatcher returns.  A call
 * whose descriptor lies above libtirpc's table, whose size is the limit of
 * descriptors when libtirpc first asked for it, shares one of 32 places in it
 * with others of this kind.
 */
int rpcbuf_svc_run(const struct rpcbuf_engine_options *options);

/* Ends rpcbuf_svc_run(), now or when it is called next.  Any thread, a dispatcher, a signal handler. */
void rpcbuf_svc_exit(void);

/*
 * rpcbuf_svc_backend - what rpcbuf_svc_run() receives with.
 *
 * "io_uring" or "epoll" while it runs, else NULL.  Any thread.
 */
const char *rpcbuf_svc_backend(void);

/* Statistics of all svc_rpcbuf transports since the process began:
 * rpcbuf/tbl/svc_counters.def says what each member counts.  Start from
 * RPCBUF_SVC_STATS_INIT. */
struct rpcbuf_svc_stats {
	size_t size; /* sizeof(struct rpcbuf_svc_stats) */
#define X(name, ...) uint64_t name;
	RPCBUF_SVC_STATS(X)
#undef X
};

#define RPCBUF_SVC_STATS_INIT { .size = sizeof(struct rpcbuf_svc_stats) }

/* Fills *stats, and *engine with those of the engine that runs, zeroes when none
 * does; @engine may be NULL.  Returns 0; -EINVAL or -E2BIG for a wrong `size`, and
 * nothing is written.  Any thread. */
int rpcbuf_svc_stats(struct rpcbuf_svc_stats *stats,
		     struct rpcbuf_engine_stats *engine);

/*
 * XDR over pages.
 *
 * An XDR stream over a page vector, for xdr_*() of libtirpc and of rpcgen.
 * Items may cross page edges.  x_inline gives an address where the bytes lie in
 * one piece and are aligned to 4, else NULL.  xdr_setpos() goes to any
 * position that was decoded or encoded, and while decoding to any in the
 * stream.  End with XDR_DESTROY().
 */
/* All members are private.  Must not be moved while the stream is in use. */
struct rpcbuf_xdr {
	uint8_t *start, *at, *end; /* the contiguous bytes at hand */
	/* decoding */
	struct rpcbuf_message own;
	struct rpcbuf_cursor cursor; /* at `start` */
	uint64_t copied;
	unsigned int refs_in_place, refs_copied;
	/* encoding */
	struct rpcbuf_writer writer;
	void *const *pages;
	uint32_t nr_pages, next_page;
	uint32_t offset, left; /* of the next page; of the size */
	uint64_t attached;
};

/*
 * xdr_rpcbuf_create - decode or encode @size bytes in pages.
 *
 * They begin @offset bytes (less than RPCBUF_PAGE_SIZE) into pages[0] and go on
 * in the pages behind; @pages, and what they hold, must outlive the stream.
 * Pages are RPCBUF_PAGE_SIZE bytes each, of any instance, and adjacent ones
 * are used as one.  XDR_DECODE or XDR_ENCODE as @op; XDR_FREE may be set later.
 * Encoding fails, as with xdrmem_create(), when @size bytes are full.
 */
void xdr_rpcbuf_create(XDR *xdrs, struct rpcbuf_xdr *x, void *const *pages,
		       uint32_t offset, uint32_t size, enum xdr_op op);

/* Decodes a message as the engine or a stream received it. */
void xdr_rpcbuf_message_create(XDR *xdrs, struct rpcbuf_xdr *x,
			       const struct rpcbuf_message *message);

/*
 * rpcbuf_xdr_iov - what was encoded, to be sent.
 *
 * Writes at most @max entries; returns how many there are.
 */
unsigned int rpcbuf_xdr_iov(const struct rpcbuf_xdr *x, struct iovec *iov,
			    unsigned int max);

/*
 * Counted bytes by reference: opaque<> on the wire.  rpcgen takes the type by
 * its name, with  %#include <rpcbuf/tirpc.h>  in the .x file.
 *
 * Decoded from a call of a svc_rpcbuf transport, or from any stream over pages:
 * nothing is copied.  `data` is where the bytes lie in one piece, else it is
 * NULL and `iov` has the pieces in order.  They are valid until the dispatcher
 * returns, or as long as the pages.  Decoded from other streams, RPCSEC_GSS
 * with integrity or privacy among them: a copy, in one piece.  XDR_FREE
 * (svc_freeargs(), xdr_free()) frees what belongs to the reference, and not the
 * pages.  Whether `length` suits the program is for the program to check;
 * it never exceeds what was received.
 *
 * Encoded into a reply: the bytes at `data`, or those of `iov` when it is NULL,
 * are sent from where they lie, for instance from pages of the program's, and
 * must stay as they are until svc_sendreply() returns.  Short ones (1 KiB)
 * are copied.  Into other streams: a copy.
 */
typedef struct rpcbuf_bytes_ref {
	uint32_t length;
	unsigned int nr_iov;
	void *data;
	struct iovec *iov;
	void *owned; /* private; NULL in what the program makes */
} rpcbuf_bytes_ref;

bool_t xdr_rpcbuf_bytes_ref(XDR *xdrs, rpcbuf_bytes_ref *ref);

/* Copies the bytes of @ref, from @from on, at most @len; returns how many. */
size_t rpcbuf_bytes_ref_copy(const rpcbuf_bytes_ref *ref, size_t from, void *to,
			     size_t len);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_TIRPC_H */
