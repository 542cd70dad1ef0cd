/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fault.h - an error: an exit status and a sentence.
 */
#ifndef RPCBUF_COMMON_FAULT_H
#define RPCBUF_COMMON_FAULT_H

/* Exit statuses of all tools that read segments, listed in their manual pages.
 * argp adds 64 for wrong arguments. */
enum {
	FAULT_NONE = 0,
	FAULT_OUTPUT = 1,     /* the output cannot be written */
	FAULT_NO_SERVER = 2,  /* no program was named, and none runs */
	FAULT_SEVERAL = 3,    /* ... and several run */
	FAULT_NO_PROCESS = 4, /* no process has this id */
	FAULT_NOT_OURS = 5,   /* the process has no segment */
	FAULT_PERMISSION = 6,
	FAULT_UNREADABLE = 7, /* no such file, or it cannot be read */
	FAULT_FOREIGN = 8,    /* the file is something else */
	FAULT_CUT_SHORT = 9,  /* the file ends too early */
	FAULT_ENDED = 10,     /* the program that made the segment has ended */
	FAULT_VERSION = 11,   /* ... is of another version */
	FAULT_DAMAGED = 12,   /* the segment is inconsistent */
	FAULT_SILENT = 13,    /* the program runs but does not publish */
	FAULT_ADDRESS = 14,   /* cannot listen on the address */
};

struct fault {
	int status;
	char text[8192]; /* one or more lines */
};

/* Puts both into @fault and returns @status. */
int fault_set(struct fault *fault, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for a file that cannot be opened or read; @err: an errno. */
int fault_set_file(struct fault *fault, const char *path, int err);

/* Flushes standard output: FAULT_NONE, or FAULT_OUTPUT with @fault set when
 * this or an earlier write failed. */
int fault_flush(struct fault *fault);

#endif
