/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: no operation of the FSAL API is lost in the plug-in. Where a sub-FSAL
 * has its own function and the plug-in has Ganesha's default, a feature of the
 * sub-FSAL would silently disappear.
 *
 * Method: in a server with the plug-in over FSAL_VFS, and again over FSAL_MEM,
 * walk every member of the module, export and object tables and compare three
 * pointers: Ganesha's default, the sub-FSAL's and the plug-in's. The names come
 * from the lists in fsal/ops.h, whose completeness the compiler checks. A
 * member that may be the default carries the reason.
 */
#include "host.h"

struct member {
	const char *name;
	size_t offset;
};

#define MODULE_MEMBER(op) { #op, offsetof(struct fsal_ops, op) },
#define EXPORT_MEMBER(op) { #op, offsetof(struct export_ops, op) },
#define OBJ_MEMBER(op)	  { #op, offsetof(struct fsal_obj_ops, op) },

static const struct member module_members[] = {
	FSAL_RPCBUF_MODULE_OPS(MODULE_MEMBER) { NULL, 0 }
};
static const struct member export_members[] = {
	FSAL_RPCBUF_EXPORT_OPS(EXPORT_MEMBER) { NULL, 0 }
};
static const struct member obj_members[] = {
	FSAL_RPCBUF_OBJ_OPS(OBJ_MEMBER) { NULL, 0 }
};

static const struct {
	const char *name;
	const char *reason;
} may_be_default[] = {
	{ "dump_config", "Ganesha asks every loaded module itself" },
	{ "emergency_cleanup", "Ganesha asks every loaded module itself" },
};

static const char *reason_for(const char *name)
{
	for (size_t i = 0; i < sizeof(may_be_default) / sizeof(*may_be_default);
	     i++)
		if (strcmp(may_be_default[i].name, name) == 0)
			return may_be_default[i].reason;
	return NULL;
}

typedef void (*member_fn)(void);

static member_fn member_of(const void *table, const struct member *m)
{
	return *(const member_fn *)((const char *)table + m->offset);
}

/* The same table three times: the server's, the sub-FSAL's, the plug-in's. */
struct tables {
	const char *what;
	const struct member *members;
	const void *defaults, *below, *ours;
};

static int walk(const char *sub, const struct tables *t)
{
	int bad = 0, walked = 0, own = 0;

	for (const struct member *m = t->members; m->name; m++, walked++) {
		member_fn ours = member_of(t->ours, m);
		member_fn below = member_of(t->below, m);
		member_fn by_default = member_of(t->defaults, m);

		own += below != by_default;
		if (ours && (ours != by_default || below == by_default))
			continue;
		if (ours && reason_for(m->name))
			continue;
		fprintf(stderr, "%s table: %s of FSAL %s is lost, ours is %s\n",
			t->what, m->name, sub,
			ours ? "Ganesha's default" : "NULL");
		bad++;
	}
	printf("%s table: %d members, %d are FSAL %s's own, %d lost\n", t->what,
	       walked, own, sub, bad);
	/* A walk over the wrong tables would find nothing lost either. */
	return bad + (own == 0);
}

static struct fsal_obj_handle *root_of(struct fsal_export *export,
				       const char *path)
{
	struct fsal_obj_handle *root = NULL;

	op_ctx->fsal_export = export;
	export->exp_ops.lookup_path(export, path, &root, NULL);
	op_ctx->fsal_export = host.ours;
	return root;
}

static int walk_all(struct host *h)
{
	const char *path = CTX_FULLPATH(op_ctx);
	const char *sub = h->below->fsal->name;
	struct fsal_obj_handle *our_root = root_of(h->ours, path);
	struct fsal_obj_handle *sub_root = root_of(h->below, path);
	struct fsal_export defaults;
	struct fsal_obj_ops obj_defaults;

	if (!our_root || !sub_root) {
		fprintf(stderr, "no root handle of %s\n", path);
		return 1;
	}
	fsal_export_init(&defaults);
	fsal_default_obj_ops_init(&obj_defaults);
	const struct tables tables[] = {
		{ "module", module_members, &h->default_ops,
		  &h->below->fsal->m_ops, &h->ours->fsal->m_ops },
		{ "export", export_members, &defaults.exp_ops,
		  &h->below->exp_ops, &h->ours->exp_ops },
		{ "object", obj_members, &obj_defaults, sub_root->obj_ops,
		  our_root->obj_ops },
	};

	return walk(sub, &tables[0]) + walk(sub, &tables[1]) +
	       walk(sub, &tables[2]);
}

int main(void)
{
	static const struct host_case cases[] = {
		{ .sub = "VFS", .body = walk_all },
		{ .sub = "MEM", .path = "/mem", .body = walk_all },
	};
	int failed = 0;

	if (geteuid() != 0) {
		printf("FSAL_VFS opens by handle, which only root may\n");
		return HOST_SKIPPED;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		failed += host_run(&cases[i]);
	return failed != 0;
}
