/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The RPCBUF block: its parameters for Ganesha's parser, the checks that span
 * several of them, and the defaults that only the machine knows.  Runs in the
 * thread that reads the configuration.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <rpcbuf/engine.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "config.h"
#include "rpcbuf/os/limits.h"

#define KIB	     1024ull
#define MIB	     (1024 * KIB)
#define TIB	     (1024 * 1024 * MIB)
#define PAGE	     4096u

/* Pages of a vector beyond those of the payload: call header, and a payload
 * that begins and ends inside a page. */
#define VECTOR_EXTRA 3u
/* One is full to receive into, one may be held by calls that came in part, and
 * the connection that goes on when pages are short needs one. */
#define VECTORS_LEAST 3u
#define THREADS_MAX  64u

static struct config_item_list engines[] = {
	CONFIG_LIST_TOK("auto", RPCBUF_BACKEND_AUTO),
	CONFIG_LIST_TOK("epoll", RPCBUF_BACKEND_EPOLL),
	CONFIG_LIST_TOK("io_uring", RPCBUF_BACKEND_URING),
	CONFIG_LIST_EOL,
};

/* What Local_Congestion and Keep_Awake could be, when they did something. */
static struct config_item_list without_effect[] = {
	CONFIG_LIST_TOK("system", 1), CONFIG_LIST_TOK("cubic", 1),
	CONFIG_LIST_TOK("reno", 1),   CONFIG_LIST_TOK("auto", 1),
	CONFIG_LIST_TOK("never", 1),  CONFIG_LIST_TOK("always", 1),
	CONFIG_LIST_EOL,
};

/* A default of 0 outside the range stands for "choose by the machine". */
static struct config_item parameters[] = {
	CONF_ITEM_UI64("Memory", MIB, TIB, 0, fsal_rpcbuf_config, memory),
	CONF_ITEM_UI32("Max_Payload", 64 * KIB, 4 * MIB, MIB,
		       fsal_rpcbuf_config, max_payload),
	CONF_ITEM_UI32("Max_Fragments", 1, 1048576, 65536, fsal_rpcbuf_config,
		       max_fragments),
	CONF_ITEM_UI32("Receive_Threads", 0, THREADS_MAX, 0, fsal_rpcbuf_config,
		       receive_threads),
	CONF_ITEM_UI32("Max_Threads", 1, 4096, 256, fsal_rpcbuf_config,
		       max_threads),
	CONF_ITEM_UI32("Read_Ahead", PAGE, 4 * MIB, 256 * KIB,
		       fsal_rpcbuf_config, read_ahead),
	CONF_ITEM_UI32("Batch_Calls", 1, 1024, 8, fsal_rpcbuf_config,
		       batch_calls),
	CONF_ITEM_UI32("Long_Call", 0, 1000000, 40, fsal_rpcbuf_config,
		       long_call),
	CONF_ITEM_UI32("Handover", 100, 1000000, 500, fsal_rpcbuf_config,
		       handover),
	CONF_ITEM_UI32("Spin", 0, 1000, 50, fsal_rpcbuf_config, spin),
	CONF_ITEM_UI32("Idle_Timeout", 0, 604800, 0, fsal_rpcbuf_config,
		       idle_timeout),
	CONF_ITEM_UI32("Record_Timeout", 1, 3600, 60, fsal_rpcbuf_config,
		       record_timeout),
	CONF_ITEM_UI32("Least_Rate", 0, MIB, KIB, fsal_rpcbuf_config,
		       least_rate),
	CONF_ITEM_UI64("Max_Unsent", 0, TIB, MIB, fsal_rpcbuf_config,
		       max_unsent),
	CONF_ITEM_UI64("Max_Partial", 0, TIB, 0, fsal_rpcbuf_config,
		       max_partial),
	CONF_ITEM_UI32("Max_Partial_Connection", 0, 8 * MIB, 0,
		       fsal_rpcbuf_config, max_partial_connection),
	CONF_ITEM_UI64("Max_Receiving", 0, TIB, 4 * MIB, fsal_rpcbuf_config,
		       max_receiving),
	CONF_ITEM_UI32("Max_Calls", 1, 65536, 128, fsal_rpcbuf_config,
		       max_calls),
	CONF_ITEM_UI32("Max_Connections", 0, 1048576, 0, fsal_rpcbuf_config,
		       max_connections),
	CONF_ITEM_TOKEN("Engine", RPCBUF_BACKEND_AUTO, engines,
			fsal_rpcbuf_config, engine),
	CONF_ITEM_TOKEN("Local_Congestion", 0, without_effect,
			fsal_rpcbuf_config, local_congestion),
	CONF_ITEM_TOKEN("Keep_Awake", 0, without_effect, fsal_rpcbuf_config,
			keep_awake),
	CONF_ITEM_PATH("Statistics", 1, PATH_MAX, NULL, fsal_rpcbuf_config,
		       statistics),
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
	({                                                                    \
		(err_type)->invalid = true;                                   \
		fsal_rpcbuf_complain(err_type, "RPCBUF block: " __VA_ARGS__); \
		1;                                                            \
	})

static int check_pages(const char *name, uint32_t value,
		       struct config_error_type *err_type)
{
	if (value % PAGE == 0)
		return 0;
	return REFUSE(err_type,
		      "%s = %" PRIu32 " is not a multiple of a page, %u bytes",
		      name, value, PAGE);
}

uint64_t fsal_rpcbuf_config_least(const struct fsal_rpcbuf_config *cfg,
				  uint32_t threads)
{
	return (VECTORS_LEAST + threads - 1) *
	       (cfg->max_payload + VECTOR_EXTRA * (uint64_t)PAGE);
}

static int check_memory(const struct fsal_rpcbuf_config *cfg,
			struct config_error_type *err_type)
{
	uint64_t least = fsal_rpcbuf_config_least(cfg, 1);

	if (cfg->memory == 0 || cfg->memory >= least)
		return 0;
	return REFUSE(err_type,
		      "Memory = %" PRIu64
		      " is less than three page vectors, %" PRIu64
		      " bytes for Max_Payload = %" PRIu32,
		      cfg->memory, least, cfg->max_payload);
}

static int check_statistics(const char *path,
			    struct config_error_type *err_type)
{
	if (path == NULL || (path[0] == '/' && strlen(path) < PATH_MAX))
		return 0;
	return REFUSE(err_type,
		      "Statistics = \"%s\" is not an absolute path of less "
		      "than %d bytes",
		      path, PATH_MAX);
}

/* Called by the parser when every value is in its own range. */
static int commit(void *node, void *link_mem, void *self_struct,
		  struct config_error_type *err_type)
{
	const struct fsal_rpcbuf_config *cfg = self_struct;

	(void)node;
	(void)link_mem;
	return check_pages("Max_Payload", cfg->max_payload, err_type) +
	       check_pages("Read_Ahead", cfg->read_ahead, err_type) +
	       check_pages("Max_Partial_Connection",
			   cfg->max_partial_connection, err_type) +
	       check_memory(cfg, err_type) +
	       check_statistics(cfg->statistics, err_type);
}

static struct config_block block = {
	.dbus_interface_name = "org.ganesha.nfsd.config.fsal.rpcbuf",
	.blk_desc.name = "RPCBUF",
	.blk_desc.type = CONFIG_BLOCK,
	.blk_desc.flags = CONFIG_UNIQUE,
	.blk_desc.u.blk.init = noop_conf_init,
	.blk_desc.u.blk.params = parameters,
	.blk_desc.u.blk.commit = commit,
};

static uint64_t default_memory(void)
{
	uint64_t memory = os_memory_usable("") / 8;

	return memory > 64 * MIB ? memory : 64 * MIB;
}

static uint32_t default_threads(void)
{
	unsigned int cpus = os_cpus_usable("");

	return cpus < THREADS_MAX ? cpus : THREADS_MAX;
}

static void fill_in(struct fsal_rpcbuf_config *cfg)
{
	if (cfg->memory == 0)
		cfg->memory = default_memory();
	if (cfg->receive_threads == 0)
		cfg->receive_threads = default_threads();
	if (cfg->idle_timeout == 0)
		cfg->idle_timeout = nfs_param.core_param.rpc.idle_timeout_s;
}

int fsal_rpcbuf_config_read(struct fsal_rpcbuf_config *cfg, config_file_t file,
			    struct config_error_type *err_type)
{
	/* @err_type collects for the whole configuration.  Ours is a fresh one
	 * on the same stream: only complaints about this block refuse it. */
	struct config_error_type own = {.fp = err_type->fp};
	long said = own.fp ? ftell(own.fp) : 0;
	int found = load_config_from_parse(file, &block, cfg, true, &own);

	/* A second block sets no flag, it only leaves a line. */
	if (own.fp && ftell(own.fp) != said)
		own.invalid = true;
	if (!config_error_no_error(&own)) {
		config_error_comb_errors(err_type, &own);
		err_type->errors += own.errors;
		fsal_rpcbuf_config_free(cfg);
		return -EINVAL;
	}
	fill_in(cfg);
	return found > 0;
}

void fsal_rpcbuf_config_free(struct fsal_rpcbuf_config *cfg)
{
	/* From the core's heap, which may not be ours. */
	if (cfg->statistics)
		mem_free(cfg->statistics, 0);
	cfg->statistics = NULL;
}

const struct config_item *fsal_rpcbuf_config_parameters(void)
{
	return parameters;
}
