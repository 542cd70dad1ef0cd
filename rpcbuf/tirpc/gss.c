/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What RPCSEC_GSS of libtirpc needs around it.
 *
 * Its server side keeps the credentials of the process in a variable that each
 * control procedure sets and DESTROY frees: one control procedure at a time.
 *
 * It finds the context of a connection by the address of its SVCXPRT.  When it is
 * called it expires the contexts that were unused for 300 seconds.  So the address of
 * a freed connection must not be used again before its context is gone: a recent
 * context is destroyed with the connection; for another one the memory of the
 * connection is kept until libtirpc has expired it.
 *
 * libtirpc expires by the wall clock, which is read here before and after each of its
 * calls.  If the clock was set meanwhile, the earlier time tells what has expired,
 * and the latest time ever read tells what may have expired.
 */
#include <stdlib.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/clock.h"

#include "rpcbuf/tirpc/tirpc_private.h"

#include <rpc/auth_gss.h>

#define EXPIRED_NS (300 * OS_SECOND_NS)
/* Of uncertainty, on each side. */
#define MARGIN_NS (2 * OS_SECOND_NS)

static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;

static struct {
	pthread_mutex_t lock;
	struct list_head conns; /* by conn->link */
	uint64_t latest_ns;	/* that a look at the clock gave */
} kept = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.conns = {&kept.conns, &kept.conns},
};

static uint64_t read_clock(void)
{
	uint64_t now = os_wall_clock();

	pthread_mutex_lock(&kept.lock);
	kept.latest_ns = rpcbuf_max(kept.latest_ns, now);
	pthread_mutex_unlock(&kept.lock);
	return now;
}

/* The second word of the credential is the procedure. */
static uint32_t procedure(const struct opaque_auth *cred)
{
	const uint8_t *b = (const uint8_t *)cred->oa_base;

	if (cred->oa_length < 8)
		return RPCSEC_GSS_INIT;
	return (uint32_t)b[4] << 24 | (uint32_t)b[5] << 16 |
	       (uint32_t)b[6] << 8 | b[7];
}

void gss_begin(struct conn *conn, const struct rpc_msg *msg)
{
	const struct opaque_auth *cred = &msg->rm_call.cb_cred;

	if (cred->oa_flavor != RPCSEC_GSS)
		return;
	conn->gss_used = true;
	conn->gss_ns = read_clock();
	if (procedure(cred) == RPCSEC_GSS_DATA)
		return;
	pthread_mutex_lock(&control);
	conn->gss_alone = true;
}

/* Frees what was kept for longer than libtirpc's list kept it. */
static void free_kept(uint64_t called_ns)
{
	struct conn *conn, *tmp;

	pthread_mutex_lock(&kept.lock);
	list_for_each_entry_safe(conn, tmp, &kept.conns, struct conn, link)
	{
		if (conn->gss_ns + EXPIRED_NS + MARGIN_NS >= called_ns)
			continue;
		list_del(&conn->link);
		free(conn);
	}
	pthread_mutex_unlock(&kept.lock);
}

void gss_end(struct conn *conn)
{
	if (conn->gss_alone)
		pthread_mutex_unlock(&control);
	conn->gss_alone = false;
	if (conn->gss_used)
		free_kept(rpcbuf_min(conn->gss_ns, read_clock()));
}

/* Integrity, privacy or just a context: libtirpc's flavour for no wrapping has
 * no private data. */
bool gss_applies(struct conn *conn)
{
	return conn->ext.xp_auth.svc_ah_private != NULL;
}

void gss_conn_free(struct conn *conn)
{
	bool recent;

	if (!conn->gss_used) {
		free(conn);
		return;
	}
	read_clock();
	pthread_mutex_lock(&kept.lock);
	recent = kept.latest_ns < conn->gss_ns + EXPIRED_NS - MARGIN_NS;
	pthread_mutex_unlock(&kept.lock);
	if (recent && gss_applies(conn)) {
		SVCAUTH_DESTROY(&conn->ext.xp_auth);
		free(conn);
		return;
	}
	pthread_mutex_lock(&kept.lock);
	list_add_tail(&conn->link, &kept.conns);
	pthread_mutex_unlock(&kept.lock);
}
