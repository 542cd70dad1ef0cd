/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Jobs are handed over through semaphores.  Threads that measure at the same
 * time then spin at a barrier, so that their clocks start together.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "crew.h"
#include "spin.h"

struct member {
	struct crew *crew;
	pthread_t thread;
	sem_t go;
	int cpu;
	bool entered;
	struct crew_job *job; /* NULL: the thread ends */
};

struct crew {
	const struct peer_set *set;
	sem_t done;
	unsigned int gate; /* threads that have not arrived yet */
	struct member members[PEER_THREADS];
};

static void pass_gate(unsigned int *gate)
{
	__atomic_sub_fetch(gate, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(gate, __ATOMIC_ACQUIRE))
		spin();
}

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0)
		;
}

static long preemptions(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

static double now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void measure_job(struct crew *crew, struct crew_job *job)
{
	long before = preemptions();
	double start;

	pass_gate(&crew->gate);
	start = now_ns();
	job->served = job->run(job->arg);
	job->ns = now_ns() - start;
	job->disturbed = preemptions() != before;
}

static bool pin(int cpu)
{
	cpu_set_t cpus;

	if (cpu == CREW_UNPINNED)
		return true;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (!pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus))
		return true;
	fprintf(stderr, "rpcbuf-bench: CPU %d cannot be used\n", cpu);
	return false;
}

static void *live(void *opaque)
{
	struct member *member = opaque;
	struct crew *crew = member->crew;

	member->entered = pin(member->cpu) && peers_enter(crew->set);
	sem_post(&crew->done);
	for (;;) {
		wait_for(&member->go);
		if (!member->job)
			return NULL;
		measure_job(crew, member->job);
		sem_post(&crew->done);
	}
}

/* With fewer CPUs than threads, the last threads share the first CPU. */
static void choose_cpus(int chosen[PEER_THREADS])
{
	unsigned int nr = 0;
	cpu_set_t cpus;
	int cpu;

	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (cpu = 0; cpu < CPU_SETSIZE && nr < PEER_THREADS; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			chosen[nr++] = cpu;
	for (; nr < PEER_THREADS; nr++)
		chosen[nr] = chosen[0];
}

static bool start_member(struct crew *crew, struct member *member, int cpu)
{
	member->crew = crew;
	member->cpu = cpu;
	sem_init(&member->go, 0, 0);
	if (pthread_create(&member->thread, NULL, live, member))
		return false;
	wait_for(&crew->done);
	return member->entered;
}

struct crew *crew_start(const struct peer_set *set, const int *cpus)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	int chosen[PEER_THREADS];

	if (!crew)
		return NULL;
	crew->set = set;
	sem_init(&crew->done, 0, 0);
	choose_cpus(chosen);
	for (unsigned int i = 0; i < PEER_THREADS; i++)
		if (!start_member(crew, &crew->members[i],
				  cpus ? cpus[i] : chosen[i]))
			return NULL;
	return crew;
}

void crew_stop(struct crew *crew)
{
	for (unsigned int i = 0; i < PEER_THREADS; i++) {
		crew->members[i].job = NULL;
		sem_post(&crew->members[i].go);
		pthread_join(crew->members[i].thread, NULL);
	}
	free(crew);
}

void crew_run(struct crew *crew, struct crew_job *jobs, unsigned int nr)
{
	unsigned int i;

	__atomic_store_n(&crew->gate, nr, __ATOMIC_RELEASE);
	for (i = 0; i < nr; i++) {
		crew->members[i].job = &jobs[i];
		sem_post(&crew->members[i].go);
	}
	for (i = 0; i < nr; i++)
		wait_for(&crew->done);
}
