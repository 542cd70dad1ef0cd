/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Preloaded into ganesha.nfsd by test_clock.sh, which compiles it: the wall
 * clock is an hour ahead while the file RPCBUF_CLOCK_AHEAD exists. Removing it
 * sets the clock back. The kernel has the right time throughout, so a wait
 * until a moment that was computed before then takes an hour.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define AHEAD_S 3600

static time_t ahead(void)
{
	const char *file = getenv("RPCBUF_CLOCK_AHEAD");

	return file && access(file, F_OK) == 0 ? AHEAD_S : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int ret = (int)syscall(SYS_clock_gettime, clock, now);

	if (ret == 0 &&
	    (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += ahead();
	return ret;
}

time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *out, void *zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return 0;
}

/* Ganesha loads modules with RTLD_DEEPBIND, which would hide these functions
 * from them. */
void *dlopen(const char *file, int mode)
{
	void *(*stock)(const char *, int);

	*(void **)&stock = dlsym(RTLD_NEXT, "dlopen");
	return stock(file, mode & ~RTLD_DEEPBIND);
}
