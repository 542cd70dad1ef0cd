/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fault.h - what went wrong: an exit status, and a sentence about it.
 */
#ifndef RPCBUF_COMMON_FAULT_H
#define RPCBUF_COMMON_FAULT_H

/* The exit statuses of all tools that read segments; their manual pages list
 * them.  argp adds 64, for arguments that it does not understand. */
enum {
	FAULT_NONE = 0,
	FAULT_OUTPUT = 1,     /* what was found cannot be written out */
	FAULT_NO_SERVER = 2,  /* asked for the only server: there is none */
	FAULT_SEVERAL = 3,    /* ... there are several */
	FAULT_NO_PROCESS = 4, /* no process has this id */
	FAULT_NOT_OURS = 5,   /* the process shows no segment */
	FAULT_PERMISSION = 6,
	FAULT_UNREADABLE = 7, /* no such file, or it cannot be read */
	FAULT_FOREIGN = 8,    /* the file is something else */
	FAULT_CUT_SHORT = 9,  /* the file ends too early */
	FAULT_ENDED = 10,     /* the program that made the segment has ended */
	FAULT_VERSION = 11,   /* ... is of another version */
	FAULT_DAMAGED = 12,   /* what the segment says cannot be */
	FAULT_SILENT = 13,    /* the program runs but publishes nothing */
	FAULT_ADDRESS = 14,   /* the address to listen on cannot be had */
};

struct fault {
	int status;
	char text[8192]; /* one sentence, or lines of them */
};

/* Puts both into @fault and returns @status. */
int fault_set(struct fault *fault, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, for @path that cannot be opened or read: @err is an errno. */
int fault_set_file(struct fault *fault, const char *path, int err);

/* Writes out what was printed: FAULT_NONE, or puts into @fault that it cannot be
 * written, now or before, and returns that. */
int fault_flush(struct fault *fault);

#endif
