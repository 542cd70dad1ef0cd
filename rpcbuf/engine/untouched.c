/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The bytes that were read are those that the kernel received, less those that
 * are unread.  No system call returns both counts, so the first one is read
 * twice: when it has not changed, nothing came in between, and the difference
 * is exact; else this tries again.  As no thread reads, the receive window
 * bounds the number of tries.
 *
 * The kernel counts the end of the stream as a byte received, and never as one
 * unread (tcp_rcv_nxt_update(), tcp_inq()).  It has done so when the state is
 * CLOSE_WAIT: tcp_get_info() reads the state first.
 */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "rpcbuf/engine/untouched.h"

/* As in tcp_info; <netinet/tcp.h> cannot be included beside <linux/tcp.h>. */
#define TCP_CLOSE_WAIT 8

static bool get_info(int fd, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	*info = (struct tcp_info){0};
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0;
}

bool untouched(int fd)
{
	struct tcp_info before, after;
	uint64_t end;
	int unread;

	do {
		if (!get_info(fd, &before) || ioctl(fd, SIOCINQ, &unread) < 0 ||
		    !get_info(fd, &after))
			return false;
	} while (after.tcpi_bytes_received != before.tcpi_bytes_received);
	end = after.tcpi_state == TCP_CLOSE_WAIT;
	return after.tcpi_bytes_received == (uint64_t)unread + end;
}
