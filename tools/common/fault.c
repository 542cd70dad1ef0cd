/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fault.h"

int fault_set(struct fault *fault, int status, const char *format, ...)
{
	va_list args;

	fault->status = status;
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return status;
}

int fault_set_file(struct fault *fault, const char *path, int err)
{
	if (err == EACCES || err == EPERM)
		return fault_set(fault, FAULT_PERMISSION,
				 "no permission to read %s", path);
	return fault_set(fault, FAULT_UNREADABLE, "%s cannot be read: %s", path,
			 strerror(err));
}

int fault_flush(struct fault *fault)
{
	if (!fflush(stdout) && !ferror(stdout))
		return FAULT_NONE;
	return fault_set(fault, FAULT_OUTPUT,
			 "the output cannot be written: %s", strerror(errno));
}
