/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The RPCBUF block: its parameters for Ganesha's parser, the checks that span
 * several of them, and the defaults that only the machine knows.  Runs in the
 * thread that reads the configuration.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "abi.h"
#include "config.h"
#include "rpcbuf/os/limits.h"

#define MIB  (1024 * 1024ull)
#define PAGE 4096u

/* Pages of a vector beyond those of the payload: call header, and a payload
 * that begins and ends inside a page. */
#define VECTOR_EXTRA 3u
/* One is full to receive into, one may be held by calls that came in part, and
 * the connection that goes on when pages are short needs one. */
#define VECTORS_LEAST 3u
/* The version that no longer takes parameters of the Tuning block outside it. */
#define OUTSIDE_UNTIL "0.3"

static struct config_item_list backends[] = {
#define X(word, name) CONFIG_LIST_TOK(#word, RPCBUF_BACKEND_##name),
	RPCBUF_BACKENDS(X)
#undef X
	CONFIG_LIST_EOL,
};

/* What the gone parameters could be, when they did something. */
static struct config_item_list without_effect[] = {
	CONFIG_LIST_TOK("system", 1), CONFIG_LIST_TOK("cubic", 1),
	CONFIG_LIST_TOK("reno", 1),   CONFIG_LIST_TOK("auto", 1),
	CONFIG_LIST_TOK("never", 1),  CONFIG_LIST_TOK("always", 1),
	CONFIG_LIST_EOL,
};

/* One item of the parser, by the unit of the parameter and the type of what it is
 * kept in. */
#define ITEM_uint32_t(...)  CONF_ITEM_UI32(__VA_ARGS__),
#define ITEM_uint64_t(...)  CONF_ITEM_UI64(__VA_ARGS__),
#define ITEM_NUMBER(type, ...)	ITEM_##type(__VA_ARGS__)
#define ITEM_BYTES(type, ...)	ITEM_##type(__VA_ARGS__)
#define ITEM_PAGES(type, ...)	ITEM_##type(__VA_ARGS__)
#define ITEM_US(type, ...)	ITEM_##type(__VA_ARGS__)
#define ITEM_SECONDS(type, ...) ITEM_##type(__VA_ARGS__)
#define ITEM_RATE(type, ...)	ITEM_##type(__VA_ARGS__)
#define ITEM_BACKEND(type, name, least, most, initial, of, member) \
	CONF_ITEM_TOKEN(name, initial, backends, of, member),
#define ITEM_PATH(type, name, least, most, initial, of, member) \
	CONF_ITEM_PATH(name, least, PATH_MAX, NULL, of, member),

/* The columns of the table that both kinds of parameters have, in one order:
 * EACH(type, member, where it is kept, place, Name, unit, least, most, default) */
#define LIMIT(type, member, l, m, i, place, Name, unit, least, most, initial, ...) \
	EACH(type, member, engine.limits.member, place, Name, unit, least, most,   \
	     initial)
#define OPTION(type, member, l, m, i, place, Name, unit, least, most, initial, ...) \
	EACH(type, member, engine.member, place, Name, unit, least, most, initial)
#define SERVER(type, member, place, Name, unit, least, most, initial, ...) \
	EACH(type, member, member, place, Name, unit, least, most, initial)
#define EACH_PARAMETER            \
	RPCBUF_SERVER_OPTIONS(SERVER) \
	RPCBUF_LIMIT_OPTIONS(LIMIT)   \
	RPCBUF_ENGINE_OPTIONS(OPTION)

/* The Tuning block. */
#define TUNING_USER(...)
#define TUNING_NONE(...)
#define TUNING_TUNING(type, member, Name, unit, least, most)           \
	ITEM_##unit(type, #Name, least, most, FSAL_RPCBUF_NOT_GIVEN(type), \
		    fsal_rpcbuf_tuning, member)
static struct config_item tuning[] = {
#define EACH(type, member, kept, place, Name, unit, least, most, initial) \
	TUNING_##place(type, member, Name, unit, least, most)
	EACH_PARAMETER
#undef EACH
	CONFIG_EOL,
};

/* The RPCBUF block: parameters of the Tuning block may stand in it as well, as
 * they did in versions before. */
#define BLOCK_NONE(...)
#define BLOCK_USER(type, member, kept, Name, unit, least, most, initial) \
	ITEM_##unit(type, #Name, least, most, initial, fsal_rpcbuf_config, kept)
#define BLOCK_TUNING(type, member, kept, Name, unit, least, most, initial) \
	ITEM_##unit(type, #Name, least, most, FSAL_RPCBUF_NOT_GIVEN(type), \
		    fsal_rpcbuf_config, outside.member)
static struct config_item parameters[] = {
	{ .name = "Tuning",
	  .type = CONFIG_BLOCK,
	  .flags = CONFIG_UNIQUE,
	  .u.blk.init = noop_conf_init,
	  .u.blk.params = tuning,
	  .u.blk.commit = noop_conf_commit,
	  .off = offsetof(struct fsal_rpcbuf_config, tuning) },
#define EACH(type, member, kept, place, Name, unit, least, most, initial) \
	BLOCK_##place(type, member, kept, Name, unit, least, most, initial)
	EACH_PARAMETER
#undef EACH
#define X(Name, ...)                                                    \
	CONF_ITEM_TOKEN(#Name, 0, without_effect, fsal_rpcbuf_config, \
			gone.Name),
	RPCBUF_GONE_OPTIONS(X)
#undef X
	CONFIG_EOL,
};

/* What is in force, by the name that it has in the file. */
#define VALUE_NONE(...)
#define VALUE_USER(type, kept, Name, unit)                              \
	ITEM_##unit(type, #Name, 0, 0, 0, fsal_rpcbuf_config, kept)
#define VALUE_TUNING(type, kept, Name, unit)                                \
	ITEM_##unit(type, "Tuning." #Name, 0, 0, 0, fsal_rpcbuf_config, kept)
static struct config_item values[] = {
#define EACH(type, member, kept, place, Name, unit, least, most, initial) \
	VALUE_##place(type, kept, Name, unit)
	EACH_PARAMETER
#undef EACH
	CONFIG_EOL,
};

void fsal_rpcbuf_complain(struct config_error_type *err_type,
			  const char *format, ...)
{
	va_list args;

	err_type->errors++;
	if (!err_type->fp)
		return;
	va_start(args, format);
	vfprintf(err_type->fp, format, args);
	va_end(args);
	/* Where the server splits what it collected into lines. */
	fputc('\f', err_type->fp);
}

/* The server does not export what gives a complaint its line number; these
 * name the parameter. */
#define REFUSE(err_type, ...)                                                 \
	do {                                                                  \
		(err_type)->invalid = true;                                   \
		fsal_rpcbuf_complain(err_type, "RPCBUF block: " __VA_ARGS__); \
	} while (0)

/*
 * What is in force of a parameter of the Tuning block: @in that, or @outside, or
 * its default.  In both places: which of them was meant cannot be told.
 */
static uint64_t settle(const char *name, uint64_t in, uint64_t outside,
		       uint64_t not_given, uint64_t initial,
		       struct config_error_type *err_type)
{
	if (in != not_given && outside != not_given)
		REFUSE(err_type,
		       "%s stands in the RPCBUF block and in its Tuning { } block: leave only the second",
		       name);
	else if (outside != not_given)
		LogWarn(COMPONENT_CONFIG,
			"RPCBUF: %s stands in the RPCBUF block: it belongs in its Tuning { } block; this is accepted until version " OUTSIDE_UNTIL,
			name);
	if (in != not_given)
		return in;
	return outside != not_given ? outside : initial;
}

static void settle_all(struct fsal_rpcbuf_config *cfg,
		       struct config_error_type *err_type)
{
#define SETTLE_USER(...)
#define SETTLE_NONE(...)
#define SETTLE_TUNING(type, member, kept, Name, initial)                       \
	cfg->kept = (type)settle(#Name, cfg->tuning.member, cfg->outside.member, \
				 FSAL_RPCBUF_NOT_GIVEN(type), initial, err_type);
#define EACH(type, member, kept, place, Name, unit, least, most, initial) \
	SETTLE_##place(type, member, kept, Name, initial)
	EACH_PARAMETER
#undef EACH
#define X(Name, what)                                                      \
	if (cfg->gone.Name)                                        \
		LogWarn(COMPONENT_CONFIG,                                  \
			"RPCBUF: " #Name " does nothing any more: " what);
	RPCBUF_GONE_OPTIONS(X)
#undef X
}

static void check_pages(const char *name, uint64_t value,
			struct config_error_type *err_type)
{
	if (value % PAGE)
		REFUSE(err_type,
		       "%s = %" PRIu64 " is not a multiple of a page, %u bytes",
		       name, value, PAGE);
}

static void check_all_pages(const struct fsal_rpcbuf_config *cfg,
			    struct config_error_type *err_type)
{
#define PAGES_OF_NUMBER(name, value)
#define PAGES_OF_BYTES(name, value)
#define PAGES_OF_US(name, value)
#define PAGES_OF_SECONDS(name, value)
#define PAGES_OF_RATE(name, value)
#define PAGES_OF_BACKEND(name, value)
#define PAGES_OF_PATH(name, value)
#define PAGES_OF_PAGES(name, value) check_pages(name, value, err_type);
#define EACH(type, member, kept, place, Name, unit, least, most, initial) \
	PAGES_OF_##unit(#Name, cfg->kept)
	EACH_PARAMETER
#undef EACH
}

uint64_t fsal_rpcbuf_config_least(const struct fsal_rpcbuf_config *cfg,
				  uint32_t threads)
{
	return (VECTORS_LEAST + threads - 1) *
	       (cfg->max_payload + VECTOR_EXTRA * (uint64_t)PAGE);
}

static void check_memory(const struct fsal_rpcbuf_config *cfg,
			 struct config_error_type *err_type)
{
	uint64_t least = fsal_rpcbuf_config_least(cfg, 1);

	if (cfg->memory != 0 && cfg->memory < least)
		REFUSE(err_type,
		       "Memory = %" PRIu64
		       " is less than three page vectors, %" PRIu64
		       " bytes for Max_Payload = %" PRIu32,
		       cfg->memory, least, cfg->max_payload);
}

static void check_statistics(const char *path,
			     struct config_error_type *err_type)
{
	if (path && (path[0] != '/' || strlen(path) >= PATH_MAX))
		REFUSE(err_type,
		       "Statistics = \"%s\" is not an absolute path of less "
		       "than %d bytes",
		       path, PATH_MAX);
}

static struct config_block block = {
	.dbus_interface_name = "org.ganesha.nfsd.config.fsal.rpcbuf",
	.blk_desc.name = "RPCBUF",
	.blk_desc.type = CONFIG_BLOCK,
	.blk_desc.flags = CONFIG_UNIQUE,
	.blk_desc.u.blk.init = noop_conf_init,
	.blk_desc.u.blk.params = parameters,
	.blk_desc.u.blk.commit = noop_conf_commit,
};

static uint64_t default_memory(void)
{
	uint64_t memory = os_memory_usable("") / 8;

	return memory > 64 * MIB ? memory : 64 * MIB;
}

static uint32_t default_threads(void)
{
	unsigned int cpus = os_cpus_usable("");

	return cpus < RPCBUF_TBL_RECEIVERS_MAX ? cpus : RPCBUF_TBL_RECEIVERS_MAX;
}

/* A connection takes a descriptor; files need some as well. */
static uint32_t default_connections(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= UINT32_MAX)
		return 0;
	return (uint32_t)limit.rlim_cur / 2;
}

static void fill_in(struct fsal_rpcbuf_config *cfg)
{
	struct rpcbuf_engine_options *engine = &cfg->engine;

	if (cfg->memory == 0)
		cfg->memory = default_memory();
	if (engine->receivers == 0)
		engine->receivers = default_threads();
	if (engine->idle_timeout == 0)
		engine->idle_timeout = nfs_param.core_param.rpc.idle_timeout_s;
	if (engine->max_connections == 0)
		engine->max_connections = default_connections();
}

/* Over several parameters: each is in its own range. */
static void finish(struct fsal_rpcbuf_config *cfg,
		   struct config_error_type *err_type)
{
	settle_all(cfg, err_type);
	check_all_pages(cfg, err_type);
	check_memory(cfg, err_type);
	check_statistics(cfg->statistics, err_type);
	fill_in(cfg);
}

int fsal_rpcbuf_config_read(struct fsal_rpcbuf_config *cfg, config_file_t file,
			    struct config_error_type *err_type)
{
	/* @err_type collects for the whole configuration.  Ours is a fresh one
	 * on the same stream: only complaints about this block refuse it. */
	struct config_error_type own = {.fp = err_type->fp};
	long said = own.fp ? ftell(own.fp) : 0;
	int found;

	/* The parser sets no defaults of a block that is not there. */
	*cfg = (struct fsal_rpcbuf_config){.engine = RPCBUF_ENGINE_OPTIONS_INIT};
	memset(&cfg->tuning, 0xff, sizeof(cfg->tuning));
	found = load_config_from_parse(file, &block, cfg, true, &own);
	/* A second block sets no flag, it only leaves a line. */
	if (own.fp && ftell(own.fp) != said)
		own.invalid = true;
	if (config_error_no_error(&own))
		finish(cfg, &own);
	if (!config_error_no_error(&own)) {
		config_error_comb_errors(err_type, &own);
		err_type->errors += own.errors;
		fsal_rpcbuf_config_free(cfg);
		return -EINVAL;
	}
	return found > 0;
}

void fsal_rpcbuf_config_free(struct fsal_rpcbuf_config *cfg)
{
	/* From the core's heap, which may not be ours. */
	if (cfg->statistics)
		mem_free(cfg->statistics, 0);
	cfg->statistics = NULL;
}

const struct config_item *fsal_rpcbuf_config_values(void)
{
	return values;
}
