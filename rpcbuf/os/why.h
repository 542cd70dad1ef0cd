/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What rpcbuf_why() returns: set where something fails that a user asked for,
 * by those that know what it was for. */
#ifndef RPCBUF_OS_WHY_H
#define RPCBUF_OS_WHY_H

#include <rpcbuf/why.h>

/* Keeps the sentence, with ": " and the text of @err, -errno, behind it; returns
 * @err. */
int os_why(int err, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

#endif /* RPCBUF_OS_WHY_H */
