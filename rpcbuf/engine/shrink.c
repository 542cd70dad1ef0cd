/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/shrink.h"

#include "rpcbuf/engine/engine_private.h"

void shrink_ask(struct rpcbuf_engine *engine)
{
	for (unsigned int i = 0; i < engine_all_loops(engine); i++) {
		os_store(&engine->loops[i].shrink, SHRINK_ALL);
		loop_kick(&engine->loops[i]);
	}
}

/* Returns 0: only the loops know how many pages they will release. */
static uint64_t shrink_loops(struct rpcbuf_shrinker *shrinker, uint64_t nr)
{
	(void)nr;
	shrink_ask(
		rpcbuf_container_of(shrinker, struct rpcbuf_engine, shrinker));
	return 0;
}

int shrink_start(struct rpcbuf_engine *engine)
{
	engine->shrinker.shrink = shrink_loops;
	return rpcbuf_shrinker_register(engine->mm, &engine->shrinker);
}

void shrink_stop(struct rpcbuf_engine *engine)
{
	rpcbuf_shrinker_unregister(engine->mm, &engine->shrinker);
}
