/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* rpcbuf/why.h - which part of something could not be had. */
#ifndef RPCBUF_WHY_H
#define RPCBUF_WHY_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * rpcbuf_why - a sentence on the last failure of a function that makes
 * something.
 *
 * The functions named _create but those of acceptors, replies and send lists,
 * rpcbuf_mempool_resize(), and rpcbuf_rqst_fill() for -ENOMEM, say what could
 * not be had, how much of it, and what the system said.  For the thread that
 * called them, until its next such failure; "" before the first.  Meant to be
 * read right after one of them returned an error, and only then.  Never NULL.
 */
const char *rpcbuf_why(void);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_WHY_H */
