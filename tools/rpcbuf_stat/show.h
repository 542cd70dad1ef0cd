/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * show.h - all figures, for people.
 */
#ifndef RPCBUF_STAT_SHOW_H
#define RPCBUF_STAT_SHOW_H

#include "tools/common/attach.h"

void show(const struct server *server, const struct rpcbuf_snapshot *snapshot);

#endif
