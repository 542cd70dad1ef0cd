/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a connection within this host works for every family that exists, and
 * has the requested family.
 * Method: both families, with bytes from end to end; and IPv6 in a network
 * namespace where IPv6 sockets accept only IPv6 by default
 * (net.ipv6.bindv6only), and where IPv6 has no address.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "rpcbuf/engine/loopback.h"
#include "wire_util.h"

static bool works(int family)
{
	struct loopback pair;
	char byte = 0;
	bool works;
	int err = loopback_open(&pair, family);

	if (err == -EAFNOSUPPORT)
		return family == AF_INET6;
	if (err)
		return false;
	loopback_stop_listening(&pair);
	works = pair.listening == -1 && send(pair.accepted, "x", 1, 0) == 1 &&
		recv(pair.connecting, &byte, 1, 0) == 1 && byte == 'x' &&
		send(pair.connecting, "y", 1, 0) == 1 &&
		recv(pair.accepted, &byte, 1, 0) == 1 && byte == 'y';
	loopback_close(&pair);
	return works;
}

START_TEST(both_families)
{
	ck_assert(works(AF_INET));
	ck_assert(works(AF_INET6));
}
END_TEST

static bool write_one(const char *path)
{
	FILE *file = fopen(path, "w");
	bool written;

	if (!file)
		return false;
	written = fputs("1\n", file) >= 0;
	return fclose(file) == 0 && written;
}

/* Of its own network namespace, which ends with the process. */
static bool bring_up_loopback(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;

	if (fd >= 0)
		close(fd);
	return up;
}

START_TEST(in_a_namespace)
{
	static const char *const settings[] = {
		"/proc/sys/net/ipv6/bindv6only",
		"/proc/sys/net/ipv6/conf/all/disable_ipv6",
	};
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) || !bring_up_loopback() ||
		    !write_one(settings[_i]))
			_exit(77);
		_exit(works(AF_INET) && works(AF_INET6) ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		printf("no namespace, or no IPv6, to try %s in\n",
		       settings[_i]);
	else
		ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loopback");
	TCase *tcase = tcase_create("loopback");

	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, both_families);
	tcase_add_loop_test(tcase, in_a_namespace, 0, 2);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
