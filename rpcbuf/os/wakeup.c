/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/os/wakeup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "rpcbuf/os/os.h"

#define DRIVER "/sys/devices/system/cpu/cpuidle/current_driver"

int os_wakeup_open(void)
{
	int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fd;
}

int os_wakeup_limit(int fd, int us)
{
	int32_t value = us;

	return write(fd, &value, sizeof(value)) < 0 ? -errno : 0;
}

bool os_wakeup_halts(void)
{
	char driver[32];

	return os_read_text(DRIVER, driver, sizeof(driver)) > 0 &&
	       !strcmp(driver, "haltpoll\n");
}
