/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The call at hand of a connection: when there is none.  The thread that runs it.
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
