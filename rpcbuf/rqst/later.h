/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * later.h - the results of an NFS call that is answered "later".
 *
 * That is NFS3ERR_JUKEBOX (RFC 1813, 2.6), without any of the attributes that a
 * failure of the procedure may have, or NFS4ERR_DELAY (RFC 8881, 15.1.1.3), of
 * the first operation and of the compound.
 */
#ifndef RPCBUF_RQST_LATER_H
#define RPCBUF_RQST_LATER_H

#include <stdint.h>

#define LATER_WORDS 5

/*
 * later_results - puts the words of the results into @words, as they are sent.
 *
 * For NFS of versions 3 and 4, and the side protocol for ACLs.  Returns how many
 * there are.  In a COMPOUND the tag of the call belongs behind the first one, and
 * @first_op is the number of its first operation.
 */
unsigned int later_results(uint32_t program, uint32_t version,
			   uint32_t procedure, uint32_t first_op,
			   uint32_t words[LATER_WORDS]);

#endif /* RPCBUF_RQST_LATER_H */
