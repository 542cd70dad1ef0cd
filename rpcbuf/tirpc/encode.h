/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * encode.h - the pages that replies are encoded into.
 */
#ifndef RPCBUF_TIRPC_ENCODE_H
#define RPCBUF_TIRPC_ENCODE_H

/* Pages that a thread keeps for its replies: rq_respages. */
#define REPLY_PAGES	16u
/* Pages that are kept for the replies of all threads, for when there are no
 * others. */
#define REPLY_RESERVE	32u
/* Pages that one reply takes at most at a time; longer ones are sent in
 * fragments, as they are encoded, and the client is waited for between. */
#define REPLY_PAGES_MAX 272u

#endif
