/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/rqst/later.h"

#include <endian.h>
#include <string.h>

#include "rpcbuf/rqst/nfs.h"

#define NFS3ERR_JUKEBOX 10008
#define NFS4ERR_DELAY	10008

/* Attributes that a failure of v3 may have, before and after: RFC 1813, 3.3. */
static unsigned int attributes(uint32_t program, uint32_t procedure)
{
	/* From NULL and GETATTR to PATHCONF and COMMIT. */
	static const uint8_t nr[] = {0, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2,
				     2, 2, 2, 4, 3, 1, 1, 1, 1, 1, 2};

	/* GETACL and SETACL. */
	if (program == ACL_PROGRAM)
		return 1;
	return procedure < sizeof(nr) ? nr[procedure] : 0;
}

unsigned int later_results(uint32_t program, uint32_t version,
			   uint32_t procedure, uint32_t first_op,
			   uint32_t words[LATER_WORDS])
{
	memset(words, 0, LATER_WORDS * sizeof(*words));
	if (version != NFS_V4) {
		words[0] = htobe32(NFS3ERR_JUKEBOX);
		return 1 + attributes(program, procedure);
	}
	words[0] = htobe32(NFS4ERR_DELAY);
	words[1] = htobe32(1);
	words[2] = htobe32(first_op);
	words[3] = htobe32(NFS4ERR_DELAY);
	return 4;
}
