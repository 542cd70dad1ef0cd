/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * host.h - runs a function inside a Ganesha server with the plug-in loaded.
 *
 * The operation tables of a FSAL exist only in a server that has loaded it and
 * created an export. So the test program becomes one, in a child process: it
 * links the server's library, registers a FSAL named HOST with it, and starts
 * the server with an export that is HOST on RPCBUF on the sub-FSAL under test.
 * The plug-in is the built file, loaded by Ganesha. When HOST is asked for its
 * export, everything below it is there: the function runs, and the child ends
 * with its verdict, before the server opens a port.
 */
#ifndef TESTS_FSAL_HOST_H
#define TESTS_FSAL_HOST_H

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fsal/abi.h"
#include "fsal/ops.h"
#include "nfs_lib.h"

#define HOST_SKIPPED	 77
#define HOST_RPCBUF_LINE 6

/* What a test sees. */
struct host {
	struct fsal_export *ours;  /* the plug-in's export */
	struct fsal_export *below; /* the sub-FSAL's */
	struct fsal_ops default_ops;
	struct fsal_module module; /* HOST, above the plug-in */
	void *node;		   /* the plug-in's FSAL block */
	struct config_error_type *err_type;
};

/* One server: @sub names the sub-FSAL, @path what it exports. */
struct host_case {
	const char *sub;
	const char *path;   /* NULL: an empty folder */
	const char *rpcbuf; /* line HOST_RPCBUF_LINE, in the RPCBUF block */
	void (*setup)(void); /* called before the server starts, or NULL */
	void (*modules)(const char *folder); /* called once they lie in @folder */
	int (*body)(struct host *host); /* returns the number of failures */
};

static struct host host;
static const struct host_case *host_case;

struct host_block {
	struct subfsal_args sub;
};

static int host_read_block(void *node, struct config_error_type *err_type,
			   struct host_block *read)
{
	static struct config_item name[] = {
		CONF_ITEM_STR("name", 1, 10, NULL, subfsal_args, name),
		CONFIG_EOL,
	};
	static struct config_item params[] = {
		CONF_ITEM_NOOP("name"),
		CONF_RELAX_BLOCK("FSAL", name, noop_conf_init, subfsal_commit,
				 host_block, sub),
		CONFIG_EOL,
	};
	static struct config_block block = {
		.blk_desc.name = "FSAL",
		.blk_desc.type = CONFIG_BLOCK,
		.blk_desc.u.blk.init = noop_conf_init,
		.blk_desc.u.blk.params = params,
		.blk_desc.u.blk.commit = noop_conf_commit,
	};

	return load_config_from_node(node, &block, read, true, err_type);
}

/* Never returns: the test runs here. */
static fsal_status_t host_create_export(struct fsal_module *fsal, void *node,
					struct config_error_type *err_type,
					const struct fsal_up_vector *up_ops)
{
	struct host_block read = {{NULL, NULL}};
	struct fsal_module *plugin;
	int failures;

	(void)fsal;
	/* The node is set when the plug-in was loaded and configured. */
	if (host_read_block(node, err_type, &read) != 0 ||
	    !read.sub.fsal_node) {
		report_config_errors(err_type, NULL, config_errs_to_log);
		_exit(2);
	}
	plugin = lookup_fsal(read.sub.name);
	if (FSAL_IS_ERROR(plugin->m_ops.create_export(
		    plugin, read.sub.fsal_node, err_type, up_ops))) {
		report_config_errors(err_type, NULL, config_errs_to_log);
		_exit(2);
	}
	host.ours = op_ctx->fsal_export;
	host.below = host.ours->sub_export;
	host.node = read.sub.fsal_node;
	host.err_type = err_type;
	failures = host_case->body(&host);
	fflush(NULL);
	_exit(failures ? 1 : 0);
}

static void host_link(const char *folder, const char *from, const char *name)
{
	char target[PATH_MAX], link[PATH_MAX];

	snprintf(target, sizeof(target), "%s/%s", from, name);
	snprintf(link, sizeof(link), "%s/%s", folder, name);
	if (access(target, R_OK) != 0 || symlink(target, link) != 0) {
		fprintf(stderr, "%s: %s\n", target, strerror(errno));
		_exit(2);
	}
}

/* The folder that Ganesha loads its modules from. */
static void host_modules(const char *folder, const char *sub)
{
	const char *build = getenv("RPCBUF_BUILD");
	char from[PATH_MAX];
	struct utsname machine;

	snprintf(from, sizeof(from), "%s/fsal", build ? build : "build");
	host_link(folder, from, "libfsalrpcbuf.so");
	uname(&machine);
	snprintf(from, sizeof(from), "/usr/lib/%s-linux-gnu/ganesha",
		 machine.machine);
	if (strcmp(sub, "VFS") == 0)
		host_link(folder, from, "libfsalvfs.so");
	else if (strcmp(sub, "MEM") == 0)
		host_link(folder, from, "libfsalmem.so");
}

static void host_configure(const char *folder, const char *conf)
{
	FILE *f = fopen(conf, "w");

	if (!f) {
		perror(conf);
		_exit(2);
	}
	fprintf(f,
		"NFS_CORE_PARAM { Plugins_Dir = %s; }\n"
		"NFSv4 { Graceless = true; RecoveryBackend = fs;\n"
		"  RecoveryRoot = %s; }\n"
		"NFS_KRB5 { Active_krb5 = false; }\n"
		"RPCBUF {\n%s\n}\n"
		"EXPORT { Export_Id = 1; Path = %s; Pseudo = /e;\n"
		"  FSAL { Name = HOST; FSAL { Name = RPCBUF;\n"
		"    FSAL { Name = %s; } } } }\n",
		folder, folder, host_case->rpcbuf ? host_case->rpcbuf : "",
		host_case->path ? host_case->path : folder, host_case->sub);
	fclose(f);
}

static void host_be_server(const char *folder)
{
	char conf[PATH_MAX], log[PATH_MAX];

	snprintf(conf, sizeof(conf), "%s/ganesha.conf", folder);
	snprintf(log, sizeof(log), "%s/ganesha.log", folder);
	host_modules(folder, host_case->sub);
	if (host_case->modules)
		host_case->modules(folder);
	host_configure(folder, conf);
	if (register_fsal(&host.module, "HOST", FSAL_MAJOR_VERSION,
			  FSAL_MINOR_VERSION, FSAL_ID_NO_PNFS) != 0)
		_exit(2);
	host.default_ops = host.module.m_ops;
	host.module.m_ops.create_export = host_create_export;
	if (host_case->setup)
		host_case->setup();
	nfs_libmain(conf, log, NIV_EVENT);
	_exit(2);
}

static int host_remove(const char *path, const struct stat *st, int type,
		       struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Prints the lines of the server's log that contain @what, or all
 * complaints. */
static int host_grep_log(const char *folder, const char *what)
{
	char path[PATH_MAX], line[1024];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/ganesha.log", folder);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (what) {
			found += strstr(line, what) != NULL;
		} else if (strstr(line, ":CRIT :") || strstr(line, ":MAJ :") ||
			   strstr(line, ":FATAL :")) {
			fputs(line, stderr);
			found++;
		}
	}
	if (f)
		fclose(f);
	return found;
}

/* Runs the server of @c in a new @folder; returns its wait status or -1. */
static int host_start(const struct host_case *c, char *folder)
{
	int status = -1;
	pid_t pid;

	if (!mkdtemp(folder)) {
		perror(folder);
		return -1;
	}
	host_case = c;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		host_be_server(folder);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		perror("the server");
	return status;
}

/* The server runs the body of @c; returns 0, or 1 when either failed. */
static inline int host_run(const struct host_case *c)
{
	char folder[] = "/tmp/rpcbuf-host.XXXXXX";
	int status = host_start(c, folder);

	if (status != 0) {
		fprintf(stderr, "over %s: status %#x\n", c->sub, status);
		host_grep_log(folder, NULL);
	}
	nftw(folder, host_remove, 16, FTW_DEPTH | FTW_PHYS);
	return status != 0;
}

/* The server of @c must end unsuccessfully, with all of the @nr @sentences in
 * its log; returns 0, or 1 otherwise. */
static inline int host_refuses(const struct host_case *c,
			       const char *const *sentences, int nr)
{
	char folder[] = "/tmp/rpcbuf-host.XXXXXX";
	int status = host_start(c, folder);
	bool refused = WIFEXITED(status) && WEXITSTATUS(status) == 2;

	for (int i = 0; refused && i < nr; i++)
		refused = host_grep_log(folder, sentences[i]) > 0;
	if (!refused) {
		fprintf(stderr, "%s: status %#x, log:\n", c->rpcbuf, status);
		host_grep_log(folder, NULL);
	}
	nftw(folder, host_remove, 16, FTW_DEPTH | FTW_PHYS);
	return !refused;
}

#endif
