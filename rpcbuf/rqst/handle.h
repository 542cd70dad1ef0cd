/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * handle.h - the file handle that an NFS call begins with.
 *
 * Looks at the bytes of a received message without decoding it, for each call.
 * Trusts nothing in there.
 */
#ifndef RPCBUF_RQST_HANDLE_H
#define RPCBUF_RQST_HANDLE_H

#include <rpcbuf/cursor.h>

/*
 * handle_find - copies the first @len bytes of the handle to @to.
 *
 * That is the first argument of all procedures of v3, but NULL, and of its side
 * protocol for ACLs, and in a COMPOUND what PUTFH has, as the first operation or
 * behind SEQUENCE.  Returns 0; -ENXIO for a COMPOUND that begins in the same way
 * with the root of the server; -ENOENT for anything else, for a handle that is
 * shorter, and for all calls under RPCSEC_GSS.  Then *@to is undefined.
 *
 * RFC 5531, section 9 (messages); RFC 1813; RFC 7531 and 5662 (compounds).
 */
int handle_find(const struct rpcbuf_message *message, void *to, size_t len);

/* The same for a call whose @size first bytes of arguments are known. */
int handle_in_arguments(uint32_t program, uint32_t version, uint32_t procedure,
			const void *arguments, size_t size, void *to,
			size_t len);

#endif /* RPCBUF_RQST_HANDLE_H */
