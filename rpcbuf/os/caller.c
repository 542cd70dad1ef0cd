/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <execinfo.h>
#include <string.h>

#include <rpcbuf/os/caller.h>

#define SKIP 2 /* this function and its caller */

void __attribute__((noinline)) os_callers(void *callers[OS_CALLERS])
{
	void *stack[SKIP + OS_CALLERS] = {0};

	backtrace(stack, SKIP + OS_CALLERS);
	memcpy(callers, stack + SKIP, OS_CALLERS * sizeof(*callers));
}
