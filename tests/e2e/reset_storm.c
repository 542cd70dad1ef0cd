/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * usage: reset_storm PORT COUNT
 *
 * COUNT connections to 127.0.0.1, one after the other: each sends three NULL
 * calls and is reset at once.  Fails when one is refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALLS	   3
#define CALL_WORDS 11 /* with its mark */

static void put_calls(uint32_t *wire)
{
	const uint32_t call[CALL_WORDS] = { 0x80000028, 0x77, 0, 2, 100003, 3 };

	for (int i = 0; i < CALLS * CALL_WORDS; i++)
		wire[i] = htonl(call[i % CALL_WORDS]);
}

static int connect_and_reset(const struct sockaddr_in *server)
{
	const struct linger now = { .l_onoff = 1 };
	uint32_t wire[CALLS * CALL_WORDS];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const void *)server, sizeof(*server)))
		return -errno;
	put_calls(wire);
	(void)!send(fd, wire, sizeof(wire), MSG_NOSIGNAL);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = { .sin_family = AF_INET };
	int err;

	if (argc != 3)
		return 1;
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int left = atoi(argv[2]); left; left--) {
		err = connect_and_reset(&server);
		if (err) {
			fprintf(stderr, "reset_storm: %s, %d left\n",
				strerror(-err), left);
			return 1;
		}
	}
	return 0;
}
