/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * spare.h - pages that a loop keeps and can spare: its vector, and what is kept
 * for the rest of long records.
 *
 * It gives them back when it is asked (shrink.h), and when it received nothing
 * for a while.  The owner of the loop only.
 */
#ifndef RPCBUF_ENGINE_SPARE_H
#define RPCBUF_ENGINE_SPARE_H

struct loop;

/* If it was asked. */
void spare_give(struct loop *loop);
/* Once a second. */
void spare_look(struct loop *loop);

#endif /* RPCBUF_ENGINE_SPARE_H */
