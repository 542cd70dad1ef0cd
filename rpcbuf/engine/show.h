/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * show.h - shows a server to rpcbuf-stat, for both adapters.
 */
#ifndef RPCBUF_ENGINE_SHOW_H
#define RPCBUF_ENGINE_SHOW_H

#include <rpcbuf/engine.h>
#include <rpcbuf/publish.h>
#include <rpcbuf/segment.h>
#include <rpcbuf/stats.h>

/* For a log, with strerror(). */
#define SHOW_FAILED                                         \
	"cannot publish counters in " RPCBUF_SEGMENT_FOLDER \
	" (%s): rpcbuf-stat will not find this server"

/*
 * show_server - publish @engine and @mm.
 *
 * Returns 0, or -errno: then *@publisher, which the caller destroys, is untouched or
 * shows a part.  May wait for a file.
 */
static inline int show_server(struct rpcbuf_engine *engine, struct rpcbuf *mm,
			      struct rpcbuf_publisher **publisher)
{
	int err = rpcbuf_publisher_create(publisher, NULL);

	if (!err)
		err = rpcbuf_engine_publish(engine, *publisher);
	return err ? err : rpcbuf_stats_publish(mm, *publisher);
}

#endif /* RPCBUF_ENGINE_SHOW_H */
