/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Threads of the library's.  In a header, as clock.h is.
 */
#ifndef RPCBUF_OS_THREAD_H
#define RPCBUF_OS_THREAD_H

#include <pthread.h>
#include <signal.h>

/* Starts a thread to which no signal is delivered: they are the program's.  0, or
 * -errno and *thread is not to be used. */
static inline int os_thread_start(pthread_t *thread, void *(*main)(void *),
				  void *arg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(thread, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

#endif /* RPCBUF_OS_THREAD_H */
