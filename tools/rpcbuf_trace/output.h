/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * output.h - what becomes of the calls that are shown: one of several forms.
 */
#ifndef RPCBUF_TRACE_OUTPUT_H
#define RPCBUF_TRACE_OUTPUT_H

#include "tools/common/attach.h"

struct output {
	/* @path is what the form was given, or NULL.  FAULT_NONE, or as
	 * fault_set().  May be NULL. */
	int (*begin)(const struct server *server, const char *path,
		     struct fault *fault);
	/* @time_ns: when it had come whole, since 1970. */
	void (*event)(const struct rpcbuf_event *event, uint64_t time_ns);
	/* So many were lost before the next one.  May be NULL, where end() is
	 * enough. */
	void (*lost)(uint64_t nr);
	/* Nothing more comes for now; may be NULL. */
	int (*flush)(struct fault *fault);
	/* With what was counted in all. */
	int (*end)(uint64_t shown, uint64_t lost, struct fault *fault);
};

extern const struct output output_text, output_json, output_histograms,
	output_ctf, output_mix;

#endif
