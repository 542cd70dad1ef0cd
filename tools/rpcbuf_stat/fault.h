/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fault.h - what went wrong: an exit status, and a sentence about it.
 */
#ifndef RPCBUF_STAT_FAULT_H
#define RPCBUF_STAT_FAULT_H

/* The exit statuses; rpcbuf-stat(1) lists them.  argp adds 64, for arguments
 * that it does not understand. */
enum {
	STAT_OK = 0,
	STAT_OUTPUT = 1,     /* what was found cannot be written out */
	STAT_NO_SERVER = 2,  /* asked for the only server: there is none */
	STAT_SEVERAL = 3,    /* ... there are several */
	STAT_NO_PROCESS = 4, /* no process has this id */
	STAT_NOT_OURS = 5,   /* the process is no rpcbuf server */
	STAT_PERMISSION = 6,
	STAT_UNREADABLE = 7, /* no such file, or it cannot be read */
	STAT_FOREIGN = 8,    /* the file is something else */
	STAT_CUT_SHORT = 9,  /* the file ends too early */
	STAT_ENDED = 10,     /* the server that wrote the file has ended */
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

#endif
