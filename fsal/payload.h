/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * payload.h - WRITE payloads stay in the pages that they were received into.
 *
 * ntirpc decodes opaque data into a block that it asks its malloc parameter
 * for.  While a thread decodes one of our calls, the answer is the address of
 * the payload itself.
 */
#ifndef FSAL_RPCBUF_PAYLOAD_H
#define FSAL_RPCBUF_PAYLOAD_H

#include "xdr_pages.h"

/* From here on, ntirpc's malloc and free parameters go through us, for
 * good.  @mm: where payloads can lie; it must never be destroyed. */
void payload_hook(struct rpcbuf *mm);

#endif
