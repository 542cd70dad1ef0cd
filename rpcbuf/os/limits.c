/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * See cgroups(7) and the kernel's admin-guide/cgroup-v1/memory.rst and
 * admin-guide/cgroup-v2.rst for the files, proc_pid_mountinfo(5) for how a
 * group's path and the mount's lead to its folder.
 */
#include <rpcbuf/os/limits.h>

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rpcbuf/os/bits.h>
#include <rpcbuf/os/os.h>

#define NO_LIMIT UINT64_MAX
#define CPUS_MAX (1 << 16)

/* Is @word one of @list, which commas separate? */
static bool is_listed(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (!strncmp(list, word, length) &&
		    (list[length] == ',' || !list[length]))
			return true;
	}
	return false;
}

/* The path in "NUMBER:CONTROLLERS:PATH" of proc/self/cgroup; those of version 2
 * are not listed.  False: there is none. */
static bool read_group(const char *root, const char *controller, char *group)
{
	char path[PATH_MAX], line[PATH_MAX + 128], *list, *end;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		list = strchr(line, ':');
		end = list ? strchr(list + 1, ':') : NULL;
		if (!end || end[1] != '/')
			continue;
		*end = '\0';
		found = controller ? is_listed(list + 1, controller)
				   : !list[1] && !strncmp(line, "0:", 2);
		if (found)
			snprintf(group, PATH_MAX, "%s", end + 1);
	}
	fclose(file);
	return found;
}

/* Blanks and the like are written as \040. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && isdigit((unsigned char)text[1]) &&
		    isdigit((unsigned char)text[2]) &&
		    isdigit((unsigned char)text[3])) {
			*to++ = (char)((text[1] - '0') << 6 |
				       (text[2] - '0') << 3 | (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/*
 * The folder of @group in the mount of @line.  A mount may show a part of the
 * hierarchy alone, from `base` on; a group outside of it cannot be seen, and
 * the top of the mount is as near as one gets.
 */
static bool match_mount(struct os_cgroup *found, const char *root, char *line,
			const char *controller, const char *group)
{
	char base[PATH_MAX], point[PATH_MAX], type[64], options[1024];
	char *rest = strstr(line, " - ");
	size_t length;

	if (!rest ||
	    sscanf(line, "%*s %*s %*s %4095s %4095s", base, point) != 2 ||
	    sscanf(rest, " - %63s %*s %1023s", type, options) != 2)
		return false;
	if (controller
		    ? strcmp(type, "cgroup") || !is_listed(options, controller)
		    : strcmp(type, "cgroup2"))
		return false;
	unescape(base);
	unescape(point);
	length = strcmp(base, "/") ? strlen(base) : 0;
	if (strncmp(group, base, length) ||
	    (group[length] && group[length] != '/'))
		length = strlen(group);
	found->top = strlen(root) + strlen(point);
	return snprintf(found->path, sizeof(found->path), "%s%s%s", root, point,
			strcmp(group + length, "/") ? group + length : "") <
	       (int)sizeof(found->path);
}

static bool find_cgroup(struct os_cgroup *found, const char *root,
			const char *controller)
{
	char group[PATH_MAX], path[PATH_MAX], line[3 * PATH_MAX];
	bool done = false;
	FILE *file;

	found->path[0] = '\0';
	found->unified = !controller;
	if (!read_group(root, controller, group))
		return false;
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!done && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		done = match_mount(found, root, line, controller, group);
	}
	fclose(file);
	if (!done)
		found->path[0] = '\0';
	return done;
}

void os_cgroup_find(struct os_cgroup *group, const char *root,
		    const char *controller)
{
	if (!controller || !find_cgroup(group, root, controller))
		find_cgroup(group, root, NULL);
}

/* Goes to the group above; false: that is not to be seen. */
static bool climb(struct os_cgroup *group)
{
	char *slash = strrchr(group->path, '/');

	if (!slash || (size_t)(slash - group->path) < group->top)
		return false;
	*slash = '\0';
	return true;
}

static bool read_file(const struct os_cgroup *group, const char *name,
		      char *text, size_t size)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", group->path, name);
	return os_read_text(path, text, size) > 0;
}

/* A number at the beginning of @text; anything else, "max" and "-1" too, is
 * @otherwise. */
static uint64_t number_or(const char *text, uint64_t otherwise)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return otherwise;
	errno = 0;
	value = strtoull(text, &end, 10);
	return errno || (*end && !isspace((unsigned char)*end)) ? otherwise
								: value;
}

static uint64_t read_number(const struct os_cgroup *group, const char *name,
			    uint64_t otherwise)
{
	char text[64];

	return read_file(group, name, text, sizeof(text))
		       ? number_or(text, otherwise)
		       : otherwise;
}

/* Of memory.stat: "NAME VALUE". */
static uint64_t read_stat(const struct os_cgroup *group, const char *name,
			  uint64_t otherwise)
{
	char text[8192], line[64], *at;

	if (!read_file(group, "memory.stat", text + 1, sizeof(text) - 1))
		return otherwise;
	text[0] = '\n';
	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(text, line);
	return at ? number_or(at + strlen(line), otherwise) : otherwise;
}

/* Of this group alone.  0 would be a typing error: nothing could run. */
static uint64_t memory_limit(const struct os_cgroup *group)
{
	uint64_t limit, other;

	if (group->unified) {
		limit = read_number(group, "memory.max", NO_LIMIT);
		other = read_number(group, "memory.high", NO_LIMIT);
	} else {
		limit = read_number(group, "memory.limit_in_bytes", NO_LIMIT);
		other = read_stat(group, "hierarchical_memory_limit", NO_LIMIT);
	}
	limit = rpcbuf_min(limit, other);
	return limit ? limit : NO_LIMIT;
}

static uint64_t resource_limit(int resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return NO_LIMIT;
	return limit.rlim_cur;
}

static uint64_t machine_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size
				     : NO_LIMIT;
}

uint64_t os_cgroup_memory(const struct os_cgroup *of)
{
	struct os_cgroup group = *of;
	uint64_t least = NO_LIMIT, limit;

	if (!group.path[0])
		return least;
	do {
		limit = memory_limit(&group);
		least = rpcbuf_min(least, limit);
	} while (climb(&group));
	return least;
}

uint64_t os_memory_usable(const char *root)
{
	uint64_t least = machine_memory(), limit;
	struct os_cgroup group;

	limit = resource_limit(RLIMIT_AS);
	least = rpcbuf_min(least, limit);
	limit = resource_limit(RLIMIT_DATA);
	least = rpcbuf_min(least, limit);
	os_cgroup_find(&group, root, "memory");
	limit = os_cgroup_memory(&group);
	return rpcbuf_min(least, limit);
}

bool os_memory_is_short(const struct os_cgroup *of)
{
	struct os_cgroup group = *of;
	uint64_t limit, used, files;

	if (!group.path[0])
		return false;
	do {
		limit = memory_limit(&group);
		if (limit == NO_LIMIT)
			continue;
		used = read_number(&group,
				   group.unified ? "memory.current"
						 : "memory.usage_in_bytes",
				   0);
		if (used <= limit - limit / 8)
			continue; /* as nearly always */
		files = read_stat(&group,
				  group.unified ? "active_file"
						: "total_active_file",
				  0) +
			read_stat(&group,
				  group.unified ? "inactive_file"
						: "total_inactive_file",
				  0);
		if (used > files && used - files > limit - limit / 8)
			return true;
	} while (climb(&group));
	return false;
}

/* CPUs that a group's quota amounts to, or @otherwise. */
static uint64_t quota(const struct os_cgroup *group, uint64_t otherwise)
{
	uint64_t us, period = 0;
	char text[64], *blank;

	if (group->unified) {
		if (!read_file(group, "cpu.max", text, sizeof(text)))
			return otherwise;
		us = number_or(text, 0);
		blank = strchr(text, ' ');
		if (blank)
			period = number_or(blank + 1, 0);
	} else {
		us = read_number(group, "cpu.cfs_quota_us", 0);
		period = read_number(group, "cpu.cfs_period_us", 0);
	}
	return us && period ? (us - 1) / period + 1 : otherwise;
}

/* The kernel takes what cpusets forbid out of it. */
static unsigned int affinity(void)
{
	unsigned int nr = 0;

	for (int cpus = 1024; cpus <= CPUS_MAX && !nr; cpus *= 2) {
		cpu_set_t *set = CPU_ALLOC(cpus);
		size_t size = CPU_ALLOC_SIZE(cpus);

		if (!set)
			break;
		/* -EINVAL: the kernel knows more CPUs. */
		if (sched_getaffinity(0, size, set) == 0)
			nr = (unsigned int)CPU_COUNT_S(size, set);
		CPU_FREE(set);
	}
	return nr ? nr : os_cpu_count();
}

unsigned int os_cpus_usable(const char *root)
{
	uint64_t least = affinity(), cpus;
	struct os_cgroup group;

	os_cgroup_find(&group, root, "cpu");
	if (!group.path[0])
		return (unsigned int)least;
	do {
		cpus = quota(&group, least);
		least = rpcbuf_min(least, cpus);
	} while (climb(&group));
	return (unsigned int)least;
}
