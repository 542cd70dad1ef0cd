/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the memory and CPUs that a process may use are the least of the machine
 * and the limits of all its control groups, in both versions; a file that is
 * missing or invalid sets no limit.
 * Method: trees of files that look like /proc and /sys/fs/cgroup, as in a
 * service, in a container with and without a cgroup namespace, and broken.
 */
#include <check.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rpcbuf/os/limits.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/pressure.h"
#include "until_util.h"

#define MIB (UINT64_C(1) << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static char root[64];

static void make_root(void)
{
	strcpy(root, "/tmp/rpcbuf-limits.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

/* Writes a file of the tree, and makes its folders. */
static void put(const char *path, const char *text)
{
	char full[256];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	file = fopen(full, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static uint64_t machine(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) *
	       (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool is_short(void)
{
	struct os_cgroup group;

	os_cgroup_find(&group, root, "memory");
	return os_memory_is_short(&group);
}

static void unified(void)
{
	put("proc/self/cgroup", "0::/outer/a b\n");
	put("proc/self/mountinfo",
	    "22 1 0:20 / / rw - ext4 /dev/sda1 rw\n"
	    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
}

/* Two levels of version 2; the group is "/outer/a b". */
START_TEST(version_2)
{
	unified();
	ck_assert_uint_eq(os_memory_usable(root), machine());
	put("sys/fs/cgroup/outer/a b/memory.max", "max\n");
	put("sys/fs/cgroup/outer/a b/memory.high", "max\n");
	put("sys/fs/cgroup/outer/memory.max", "max\n");
	ck_assert_uint_eq(os_memory_usable(root), machine());
	put("sys/fs/cgroup/outer/memory.max", "134217728\n");
	ck_assert_uint_eq(os_memory_usable(root), 128 * MIB);
	put("sys/fs/cgroup/outer/a b/memory.high", "67108864\n");
	ck_assert_uint_eq(os_memory_usable(root), 64 * MIB);
	put("sys/fs/cgroup/outer/a b/memory.max", "33554432\n");
	ck_assert_uint_eq(os_memory_usable(root), 32 * MIB);
	/* A sibling's limits do not count. */
	put("sys/fs/cgroup/other/memory.max", "4096\n");
	ck_assert_uint_eq(os_memory_usable(root), 32 * MIB);
}
END_TEST

START_TEST(version_2_shortage)
{
	unified();
	ck_assert(!is_short());
	put("sys/fs/cgroup/outer/memory.max", "104857600\n");
	ck_assert(!is_short());
	put("sys/fs/cgroup/outer/memory.current", "83886080\n");
	ck_assert(!is_short());
	put("sys/fs/cgroup/outer/memory.current", "104000000\n");
	ck_assert(is_short());
	/* Half of it are the contents of files. */
	put("sys/fs/cgroup/outer/memory.stat",
	    "anon 52000000\nfile 52000000\ninactive_file 50000000\nactive_file 2000000\n");
	ck_assert(!is_short());
	put("sys/fs/cgroup/outer/memory.stat",
	    "anon 52000000\nfile 52000000\ninactive_file 500000\nactive_file 200000\n");
	ck_assert(is_short());
}
END_TEST

/* A thread's sleep ends when any of its groups is short. */
START_TEST(wait_for_shortage)
{
	struct os_pressure pressure;

	unified();
	put("sys/fs/cgroup/outer/memory.max", "104857600\n");
	put("sys/fs/cgroup/outer/memory.current", "1048576\n");
	ck_assert_int_eq(os_pressure_open(&pressure, true, root), 0);
	/* The machine may be short itself. */
	if (pressure.trigger_fd >= 0)
		close(pressure.trigger_fd);
	pressure.trigger_fd = -1;
	ck_assert(!os_pressure_wait(&pressure, 0));
	put("sys/fs/cgroup/outer/memory.current", "104000000\n");
	eventually(os_pressure_wait(&pressure, 1));
	/* Each check costs time. */
	ck_assert(!os_pressure_wait(&pressure, 0));
	put("sys/fs/cgroup/outer/memory.current", "1048576\n");
	usleep(250000); /* the pause between two checks */
	ck_assert(!os_pressure_wait(&pressure, 0));
	os_pressure_close(&pressure);
}
END_TEST

/* In a container the mount shows the group's own part of the hierarchy. */
START_TEST(version_1)
{
	static const char *const folders[] = {"docker/abc/", ""};
	char path[128];

	put("proc/self/cgroup",
	    "9:name=systemd:/\n4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n");
	put("proc/self/mountinfo",
	    _i ? "31 30 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
		 "34 30 0:31 /docker/abc /sys/fs/cgroup/memory ro master:3 - cgroup cgroup rw,memory\n"
	       : "31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		 "34 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
	snprintf(path, sizeof(path),
		 "sys/fs/cgroup/memory/%smemory.limit_in_bytes", folders[_i]);
	put(path, "9223372036854771712\n");
	ck_assert_uint_eq(os_memory_usable(root), machine());
	put(path, "268435456\n");
	ck_assert_uint_eq(os_memory_usable(root), 256 * MIB);
	/* Groups above may be invisible, but their limits apply. */
	snprintf(path, sizeof(path), "sys/fs/cgroup/memory/%smemory.stat",
		 folders[_i]);
	put(path,
	    "cache 0\nhierarchical_memory_limit 100663296\ntotal_active_file 0\ntotal_inactive_file 1048576\n");
	ck_assert_uint_eq(os_memory_usable(root), 96 * MIB);
	snprintf(path, sizeof(path),
		 "sys/fs/cgroup/memory/%smemory.usage_in_bytes", folders[_i]);
	put(path, "50331648\n");
	ck_assert(!is_short());
	put(path, "99614720\n");
	ck_assert(is_short());
}
END_TEST

/* A cgroup namespace: paths that lead out of the mount. */
START_TEST(outside)
{
	put("proc/self/cgroup", "0::/../other\n");
	put("proc/self/mountinfo",
	    "30 22 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
	put("sys/fs/cgroup/memory.max", "268435456\n");
	ck_assert_uint_eq(os_memory_usable(root), 256 * MIB);
}
END_TEST

static const char *const garbage[] = {
	"",	  "\n",		"max",
	"-1\n",	  "0\n",	"12x\n",
	"many\n", " \n",	"99999999999999999999999999\n",
	"0x10\n", "\x80\xff\n",
};

START_TEST(bad_files)
{
	unified();
	put("sys/fs/cgroup/outer/a b/memory.max", garbage[_i]);
	put("sys/fs/cgroup/outer/a b/memory.current", garbage[_i]);
	put("sys/fs/cgroup/outer/a b/memory.stat", garbage[_i]);
	put("sys/fs/cgroup/outer/a b/cpu.max", garbage[_i]);
	put("sys/fs/cgroup/outer/memory.max", "134217728\n");
	ck_assert_uint_eq(os_memory_usable(root), 128 * MIB);
	ck_assert(!is_short());
	ck_assert_uint_ge(os_cpus_usable(root), 1);
	put("proc/self/mountinfo", garbage[_i]);
	ck_assert_uint_eq(os_memory_usable(root), machine());
	put("proc/self/cgroup", garbage[_i]);
	ck_assert_uint_eq(os_memory_usable(root), machine());
	ck_assert(!is_short());
	remove_root();
	make_root();
	ck_assert_uint_eq(os_memory_usable(root), machine());
	ck_assert_uint_ge(os_cpus_usable(root), 1);
}
END_TEST

/* An event right after a check is not missed: a lost one shows as a timeout of
 * the test. */
START_TEST(news_after_a_look)
{
	struct os_pressure pressure;

	ck_assert_int_eq(os_pressure_open(&pressure, false, root), 0);
	pressure.group_fd = eventfd(1, EFD_NONBLOCK);
	pressure.look_ns = os_now() + 20000000;
	ck_assert(!os_pressure_wait(&pressure, INT_MAX));
	/* The events were consumed; a kick ends a wait too. */
	pressure.look_ns = os_now() + 3600 * OS_SECOND_NS;
	os_pressure_kick(&pressure);
	ck_assert(!os_pressure_wait(&pressure, INT_MAX));
	ck_assert(!os_pressure_wait(&pressure, 1));
	os_pressure_close(&pressure);
}
END_TEST

static unsigned int affinity(void)
{
	cpu_set_t set;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	return (unsigned int)CPU_COUNT(&set);
}

START_TEST(cpus)
{
	unsigned int all = affinity();

	unified();
	ck_assert_uint_eq(os_cpus_usable(root), all);
	put("sys/fs/cgroup/outer/cpu.max", "max 100000\n");
	ck_assert_uint_eq(os_cpus_usable(root), all);
	put("sys/fs/cgroup/outer/cpu.max", "9999999 100000\n");
	ck_assert_uint_eq(os_cpus_usable(root), all < 100 ? all : 100);
	put("sys/fs/cgroup/outer/cpu.max", "100001 100000\n");
	ck_assert_uint_eq(os_cpus_usable(root), all < 2 ? all : 2);
	put("sys/fs/cgroup/outer/a b/cpu.max", "50000 100000\n");
	ck_assert_uint_eq(os_cpus_usable(root), 1);
}
END_TEST

START_TEST(cpus_version_1)
{
	unsigned int all = affinity();

	put("proc/self/cgroup", "2:cpu,cpuacct:/service\n");
	put("proc/self/mountinfo",
	    "31 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
	put("sys/fs/cgroup/cpu/service/cpu.cfs_period_us", "100000\n");
	put("sys/fs/cgroup/cpu/service/cpu.cfs_quota_us", "-1\n");
	ck_assert_uint_eq(os_cpus_usable(root), all);
	put("sys/fs/cgroup/cpu/service/cpu.cfs_quota_us", "1000\n");
	ck_assert_uint_eq(os_cpus_usable(root), 1);
}
END_TEST

/* In a child: limits of a process cannot all be undone. */
START_TEST(of_the_process)
{
	const struct rlimit limit = {512 * MIB, 512 * MIB};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(os_getcpu(), &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	ck_assert_uint_eq(os_cpus_usable(root), 1);
	/* Sanitizers need more than any data limit. */
	if (!SANITIZED && machine() > 512 * MIB &&
	    !setrlimit(RLIMIT_DATA, &limit))
		ck_assert_uint_eq(os_memory_usable(root), 512 * MIB);
}
END_TEST

/* On this machine, with its own limits. */
START_TEST(real)
{
	ck_assert_uint_le(os_memory_usable(""), machine());
	ck_assert_uint_gt(os_memory_usable(""), MIB);
	ck_assert_uint_ge(os_cpus_usable(""), 1);
	ck_assert_uint_le(os_cpus_usable(""), affinity());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limits");
	TCase *tcase = tcase_create("limits");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, make_root, remove_root);
	tcase_add_test(tcase, version_2);
	tcase_add_test(tcase, version_2_shortage);
	tcase_add_test(tcase, wait_for_shortage);
	tcase_add_test(tcase, news_after_a_look);
	tcase_add_loop_test(tcase, version_1, 0, 2);
	tcase_add_test(tcase, outside);
	tcase_add_loop_test(tcase, bad_files, 0,
			    sizeof(garbage) / sizeof(*garbage));
	tcase_add_test(tcase, cpus);
	tcase_add_test(tcase, cpus_version_1);
	tcase_add_test(tcase, of_the_process);
	tcase_add_test(tcase, real);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
