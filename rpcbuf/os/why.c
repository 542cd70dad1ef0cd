/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rpcbuf/os/why.h>

static __thread char sentence[256];

int os_why(int err, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	len = strlen(sentence);
	snprintf(sentence + len, sizeof(sentence) - len, ": %s",
		 strerror(-err));
	return err;
}

const char *rpcbuf_why(void)
{
	return sentence;
}
