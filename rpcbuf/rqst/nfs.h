/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * nfs.h - numbers of protocols that are looked for in messages.
 *
 * RFC 5531, section 8.2 (flavours); RFC 1813 and 8881 (programs).  For sources of
 * this folder alone: RPC libraries have macros of the same names.
 */
#ifndef RPCBUF_RQST_NFS_H
#define RPCBUF_RQST_NFS_H

#include <stdbool.h>
#include <stdint.h>

#define NFS_PROGRAM  100003
#define ACL_PROGRAM  100227
#define NFS_V3	     3
#define NFS_V4	     4
#define NFS_COMPOUND 1

#define GSS_FLAVOR   6

static inline bool nfs_is_compound(uint32_t program, uint32_t version,
				   uint32_t procedure)
{
	return program == NFS_PROGRAM && version == NFS_V4 &&
	       procedure == NFS_COMPOUND;
}

#endif /* RPCBUF_RQST_NFS_H */
