/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Exit status 0 when the kernel lets this user make an io_uring. Containers
 * often forbid it; tests about io_uring are then skipped. Asks the kernel
 * itself, so that an error of the plug-in does not skip them.
 */
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct io_uring_params params = {0};

	return syscall(__NR_io_uring_setup, 4, &params) < 0;
}
