/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * config.h - the RPCBUF block of ganesha.conf.
 *
 *	RPCBUF {
 *		Memory = 268435456;
 *		Max_Payload = 1048576;
 *		Tuning {
 *			Spin = 0;
 *		}
 *	}
 *
 * The block is optional, as is every parameter: rpcbuf/tbl/options.def has all of
 * them.  It is read by Ganesha's own parser, when the first export that names
 * RPCBUF is created and whenever the file is read again; see reload.h.
 */
#ifndef FSAL_RPCBUF_CONFIG_H
#define FSAL_RPCBUF_CONFIG_H

#include <rpcbuf/engine.h>
#include <stdint.h>

#include "config_parsing.h"

/* What the parser found of the parameters of the Tuning block, or
 * FSAL_RPCBUF_NOT_GIVEN() of their type. */
struct fsal_rpcbuf_tuning {
#define MEMBER_USER(type, member)
#define MEMBER_TUNING(type, member) type member;
#define MEMBER_NONE(type, member)
#define X(type, member, least, most, initial, place, ...) \
	MEMBER_##place(type, member)
	RPCBUF_LIMIT_OPTIONS(X)
	RPCBUF_ENGINE_OPTIONS(X)
#undef X
#undef MEMBER_USER
#undef MEMBER_TUNING
#undef MEMBER_NONE
};

#define FSAL_RPCBUF_NOT_GIVEN(type) ((type)-1)

/*
 * The values in force: defaults that depend on the machine are already in
 * their place.
 */
struct fsal_rpcbuf_config {
#define X(type, member, ...) type member;
	RPCBUF_SERVER_OPTIONS(X)
#undef X
	/* What the plug-in sets itself apart: takeover.c. */
	struct rpcbuf_engine_options engine;
	/* As they were read; what is in force is in `engine`. */
	struct fsal_rpcbuf_tuning tuning, /* in the Tuning block */
		outside;		  /* in the RPCBUF block itself */
	struct {
#define X(Name, ...) uint32_t Name;
		RPCBUF_GONE_OPTIONS(X)
#undef X
	} gone; /* not 0: it is given */
};

/*
 * fsal_rpcbuf_config_read - fill @cfg from the parsed configuration.
 *
 * Every complaint of the parser counts, unknown parameters included; they are
 * in @err_type with file and line.  Returns 1; 0 when there is no such block
 * and @cfg has the defaults; or -EINVAL with nothing in @cfg.
 */
int fsal_rpcbuf_config_read(struct fsal_rpcbuf_config *cfg, config_file_t file,
			    struct config_error_type *err_type);

/*
 * fsal_rpcbuf_complain - add a sentence to what @err_type collects.
 *
 * Counts an error.  The sentence goes where the parser's own complaints go: to
 * the log, or to the caller that added an export over the message bus.
 */
void fsal_rpcbuf_complain(struct config_error_type *err_type,
			  const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Bytes of Memory that @threads receiving threads need, at least. */
uint64_t fsal_rpcbuf_config_least(const struct fsal_rpcbuf_config *cfg,
				  uint32_t threads);

/* What @cfg points to; @cfg itself is the caller's. */
void fsal_rpcbuf_config_free(struct fsal_rpcbuf_config *cfg);

/* What is in force, for comparing two: offsets in struct
 * fsal_rpcbuf_config, names as they stand in the file, up to an item without. */
const struct config_item *fsal_rpcbuf_config_values(void);

#endif
