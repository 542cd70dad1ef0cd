/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * show.h - every counter of a server with what it counts.
 */
#ifndef RPCBUF_STAT_SHOW_H
#define RPCBUF_STAT_SHOW_H

#include "server.h"

void show(const struct server *server, const struct sample *sample);

#endif
