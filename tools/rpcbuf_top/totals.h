/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * totals.h - the lines above the table, about the whole server.
 */
#ifndef RPCBUF_TOP_TOTALS_H
#define RPCBUF_TOP_TOTALS_H

#include "rows.h"
#include "tools/common/attach.h"

#define TOTALS_LINES 6
#define TOTALS_WIDTH 256

void totals_write(const struct server *server, const struct picture *picture,
		  char lines[TOTALS_LINES][TOTALS_WIDTH]);

#endif
