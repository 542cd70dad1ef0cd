/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xdr_none.h - operations that an XDR stream does not have: one that decodes is not
 * written to, one that encodes is not read.  They fail.
 */
#ifndef FSAL_RPCBUF_XDR_NONE_H
#define FSAL_RPCBUF_XDR_NONE_H

#include "abi.h"

#define XDR_NONE(name, ...)                                              \
	static inline bool xdr_none_##name(__VA_ARGS__)                  \
	{                                                                \
		return false;                                            \
	}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
XDR_NONE(getunit, XDR *xdrs, uint32_t *unit)
XDR_NONE(putunit, XDR *xdrs, const uint32_t unit)
XDR_NONE(getbytes, XDR *xdrs, char *to, u_int len)
XDR_NONE(putbytes, XDR *xdrs, const char *from, u_int len)
XDR_NONE(bufs, XDR *xdrs, xdr_uio *uio, u_int flags)
XDR_NONE(newbuf, XDR *xdrs)
XDR_NONE(allochdrs, XDR *xdrs, u_int start, xdr_vio *vector, int count)
#pragma GCC diagnostic pop

#endif /* FSAL_RPCBUF_XDR_NONE_H */
