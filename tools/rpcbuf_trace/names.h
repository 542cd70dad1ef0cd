/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * names.h - programs, procedures and operations by name.
 *
 * Names are those of the RFCs without prefixes.  Unknown ones are numbers.
 */
#ifndef RPCBUF_TRACE_NAMES_H
#define RPCBUF_TRACE_NAMES_H

#include <rpcbuf/segment.h>

#define NAME_LENGTH 40

/* "NFS3", or "100099.1". */
const char *name_program(const struct rpcbuf_event *event,
			 char out[NAME_LENGTH]);

/* "WRITE", or a number; "reply" for a reply that was received. */
const char *name_procedure(const struct rpcbuf_event *event,
			   char out[NAME_LENGTH]);

/* "PUTFH", or a number. */
const char *name_operation(unsigned int op, char out[NAME_LENGTH]);

/* Number of operations that the event lists. */
unsigned int name_nr_operations(const struct rpcbuf_event *event);

/* "127.0.0.1"; "local" for local sockets, "own" for connections that the
 * program opened. */
#define ADDRESS_LENGTH 48
const char *name_address(const uint8_t *address, char out[ADDRESS_LENGTH]);

#endif
