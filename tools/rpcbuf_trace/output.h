/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * output.h - a form of output for the selected calls.
 */
#ifndef RPCBUF_TRACE_OUTPUT_H
#define RPCBUF_TRACE_OUTPUT_H

#include "tools/common/attach.h"

struct output {
	/* @path: argument of the form's option, or NULL.  Returns FAULT_NONE,
	 * or as fault_set().  May be NULL. */
	int (*begin)(const struct server *server, const char *path,
		     struct fault *fault);
	/* @time_ns: arrival of the call's last byte, since 1970. */
	void (*event)(const struct rpcbuf_event *event, uint64_t time_ns);
	/* @nr calls were lost before the next one.  May be NULL: the form
	 * reports losses in end(). */
	void (*lost)(uint64_t nr);
	/* No further event for now; may be NULL. */
	int (*flush)(struct fault *fault);
	/* Totals of the trace. */
	int (*end)(uint64_t shown, uint64_t lost, struct fault *fault);
};

extern const struct output output_text, output_json, output_histograms,
	output_ctf, output_mix;

#endif
