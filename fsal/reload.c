/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fsal_rpcbuf.config has the values in force.  Only Memory can change while the
 * server runs, so the others are read without a lock.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "fsal_rpcbuf.h"
#include "analyse.h"
#include "reload.h"
#include "takeover.h"

/* A value as it is written in the block. */
#define VALUE_LEN (PATH_MAX + 2)

static struct {
	pthread_mutex_t lock;
	uint64_t generation; /* of the file that was read last */
	int result;	     /* ... of reading its block */
	char from[PATH_MAX]; /* the file that has the block, or empty */
} reload = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct config_root *root_of(config_file_t file)
{
	return (struct config_root *)file;
}

config_file_t rpcbuf_file_of(void *node)
{
	struct config_node *parent = node;

	while (parent->type != TYPE_ROOT)
		parent = parent->u.nterm.parent;
	return (config_file_t)container_of(parent, struct config_root, root);
}

static void value_text(const struct config_item *item, const void *config,
		       char *text)
{
	const void *value = (const char *)config + item->off;
	const struct config_item_list *token = item->u.lst.tokens;

	switch (item->type) {
	case CONFIG_UINT64:
		snprintf(text, VALUE_LEN, "%" PRIu64, *(const uint64_t *)value);
		break;
	case CONFIG_UINT32:
		snprintf(text, VALUE_LEN, "%" PRIu32, *(const uint32_t *)value);
		break;
	case CONFIG_TOKEN:
		while (token->token && token->value != *(const uint32_t *)value)
			token++;
		snprintf(text, VALUE_LEN, "%s", token->token);
		break;
	default:
		snprintf(text, VALUE_LEN, "%s",
			 *(char *const *)value ? *(char *const *)value
					       : "(none)");
	}
}

static void memory_refused(uint64_t memory, const char *limit, uint64_t bytes)
{
	LogWarn(COMPONENT_CONFIG,
		"RPCBUF: Memory = %" PRIu64
		" does not take effect: while this server runs it is %s %" PRIu64
		"; %" PRIu64 " stays in force",
		memory, limit, bytes, fsal_rpcbuf.config.memory);
}

/* The one parameter that takes effect while the server runs. */
static void change_memory(uint64_t memory)
{
	struct fsal_rpcbuf_config *config = &fsal_rpcbuf.config;
	uint64_t least =
		fsal_rpcbuf_config_least(config, config->engine.receivers);
	uint64_t most;
	int err;

	if (memory < config->memory && memory < least) {
		memory_refused(memory, "at least", least);
		return;
	}
	err = fsal_rpcbuf_takeover_memory(memory, &most);
	if (err == -EINVAL)
		memory_refused(memory, "at most", most);
	else if (err)
		LogWarn(COMPONENT_CONFIG,
			"RPCBUF: Memory = %" PRIu64
			" does not take effect (%s); %" PRIu64
			" stays in force",
			memory, strerror(-err), config->memory);
	if (err)
		return;
	LogEvent(COMPONENT_CONFIG,
		 "RPCBUF: Memory is %" PRIu64 " bytes now, it was %" PRIu64,
		 memory, config->memory);
	config->memory = memory;
}

static void change(const struct fsal_rpcbuf_config *config)
{
	const struct config_item *item;
	char now[VALUE_LEN], then[VALUE_LEN];

	for (item = fsal_rpcbuf_config_values(); item->name; item++) {
		value_text(item, config, now);
		value_text(item, &fsal_rpcbuf.config, then);
		if (strcmp(now, then) == 0)
			continue;
		if (strcmp(item->name, "Memory") == 0)
			change_memory(config->memory);
		else
			LogWarn(COMPONENT_CONFIG,
				"RPCBUF: %s = %s takes effect when the server is restarted; %s stays in force",
				item->name, now, then);
	}
}

/* Reads the block of the file that the server was started with. */
static int read_main(struct fsal_rpcbuf_config *config,
		     struct config_error_type *err_type)
{
	struct config_error_type own;
	config_file_t file;
	int found = -EINVAL;

	if (!init_error_type(&own))
		return -ENOMEM;
	file = config_ParseFile(nfs_config_path, &own);
	if (config_error_no_error(&own))
		found = fsal_rpcbuf_config_read(config, file, err_type);
	else
		fsal_rpcbuf_complain(
			err_type,
			"cannot read the RPCBUF block of %s, see the log",
			nfs_config_path);
	if (found > 0)
		LogEvent(COMPONENT_CONFIG,
			 "RPCBUF: the RPCBUF block of %s is in force",
			 nfs_config_path);
	report_config_errors(&own, NULL, config_errs_to_log);
	config_Free(file);
	return found;
}

static int read_first(config_file_t file, struct config_error_type *err_type)
{
	struct fsal_rpcbuf_config *config = &fsal_rpcbuf.config;
	const char *from = root_of(file)->root.filename;
	int found = fsal_rpcbuf_config_read(config, file, err_type);

	/* A server that starts reads its own file right now. */
	if (found == 0 && fsal_rpcbuf_server_is_up()) {
		from = nfs_config_path;
		found = read_main(config, err_type);
	}
	if (found >= 0)
		snprintf(reload.from, sizeof(reload.from), "%s", from);
	return found < 0 ? found : 0;
}

/*
 * With a configuration that it cannot use Ganesha would start without our exports.
 * So a starting server ends here, with the parser's messages in its log.
 */
static int reject_config(struct config_error_type *err_type, const char *what,
			 int rc)
{
	if (!fsal_rpcbuf_server_is_up()) {
		report_config_errors(err_type, NULL, config_errs_to_log);
		LogFatal(COMPONENT_CONFIG,
			 "FSAL RPCBUF: %s (%s). The server does not start",
			 what, strerror(-rc));
	}
	LogCrit(COMPONENT_CONFIG,
		"FSAL RPCBUF: %s (%s). It is read again with the next export",
		what, strerror(-rc));
	return rc;
}

static int configure(config_file_t file, struct config_error_type *err_type)
{
	int rc = read_first(file, err_type);

	if (rc < 0)
		return reject_config(err_type,
				     "its RPCBUF block is not valid, see the "
				     "lines above and the ranges in "
				     "ganesha-rpcbuf-config(8)",
				     rc);
	rc = fsal_rpcbuf_takeover_start(&fsal_rpcbuf.config);
	if (rc < 0)
		return reject_config(
			err_type, "the receive path cannot be taken over", rc);
	reload.generation = root_of(file)->generation;
	fsal_rpcbuf.configured = true;
	return 0;
}

int rpcbuf_configure(config_file_t file, struct config_error_type *err_type)
{
	int rc = 0;

	pthread_mutex_lock(&reload.lock);
	if (!fsal_rpcbuf.configured)
		rc = configure(file, err_type);
	pthread_mutex_unlock(&reload.lock);
	return rc;
}

/* Without a block of its own a file changes nothing, unless it had one. */
static int reconfigure(config_file_t file, struct config_error_type *err_type)
{
	const char *name = root_of(file)->root.filename;
	struct fsal_rpcbuf_config config;
	int found = fsal_rpcbuf_config_read(&config, file, err_type);

	if (found < 0) {
		LogCrit(COMPONENT_CONFIG,
			"RPCBUF: the RPCBUF block of %s is not valid, see the lines around this one; the previous one stays in force",
			name);
		return found;
	}
	if (found > 0)
		snprintf(reload.from, sizeof(reload.from), "%s", name);
	if (found > 0 || strcmp(reload.from, name) == 0)
		change(&config);
	fsal_rpcbuf_config_free(&config);
	return 0;
}

int rpcbuf_reconfigure(config_file_t file, struct config_error_type *err_type)
{
	uint64_t generation = root_of(file)->generation;
	int rc;

	pthread_mutex_lock(&reload.lock);
	if (generation != reload.generation)
		reload.result = reconfigure(file, err_type);
	reload.generation = generation;
	rc = reload.result;
	pthread_mutex_unlock(&reload.lock);
	return rc;
}

void rpcbuf_reconfigure_apart(config_file_t file)
{
	struct config_error_type own;

	if (!init_error_type(&own))
		return;
	(void)rpcbuf_reconfigure(file, &own);
	report_config_errors(&own, NULL, config_errs_to_log);
}
