/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The end of a call, and a connection without one.  On the thread that runs the
 * call.
 */
#include "rpcbuf/tirpc/tirpc_private.h"

void svc_conn_no_message(struct conn *conn)
{
	xdr_rpcbuf_create(&conn->xdrs, &conn->xdr, NULL, 0, 0, XDR_DECODE);
	conn->message = NULL;
}

void svc_conn_end_call(struct conn *conn)
{
	conn->dispatching = false;
	deliver_end_call();
	svc_conn_no_message(conn);
	gss_end(conn);
}
