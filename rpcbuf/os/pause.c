/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/os/pause.h"

#if RPCBUF_DEBUG
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rpcbuf/os/clock.h"

#define PATH_BYTES 512u
#define LOOK_US	   1000u
/* It only ends a hung test. */
#define LONGEST_NS (60 * OS_SECOND_NS)

/* One thread alone gets here. */
static void wait_here(const char *here)
{
	uint64_t end = os_now() + LONGEST_NS;

	while (access(here, F_OK) == 0 && os_now() < end)
		usleep(LOOK_US);
}

void os_pause_at(const char *point)
{
	const char *folder = getenv("RPCBUF_PAUSE");
	char asked[PATH_BYTES], here[PATH_BYTES + sizeof(".here")];
	int err = errno;

	if (!folder)
		return;
	snprintf(asked, sizeof(asked), "%s/%s", folder, point);
	snprintf(here, sizeof(here), "%s.here", asked);
	if (rename(asked, here) == 0)
		wait_here(here);
	errno = err;
}
#endif
