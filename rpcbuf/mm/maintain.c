/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/kick.h>
#include <rpcbuf/mm/maintain.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/thread.h>
#include <rpcbuf/os/why.h>

/* Blocks that were free for so long go back to the system, or are tried again
 * after a consumer kept them; PAGE_REPORTING_DELAY of mm/page_reporting.c. */
#define REPORT_AGE_NS	 (2000 * OS_MS_NS)
/* Between two batches of a node: 32 blocks take some milliseconds. */
#define REPORT_PAUSE_MS 50
/* Between two looks at a shortage. */
#define RECLAIM_PAUSE_MS 20
#define DECAY_MS 1000
/* Between passes when pages were used lately, and when nothing is due. */
#define BUSY_MS 500
#define IDLE_MS 4000

/* Pages that are missing to the high watermarks, where a zone is at low. */
static uint64_t shortage(struct rpcbuf *mm)
{
	uint64_t missing = 0;
	unsigned int node;

	for (node = 0; node < mm->nr_nodes; node++) {
		const struct zone *zone = &mm->nodes[node].zone;
		uint64_t nr_free = zone_nr_free(zone);

		if (nr_free <= os_load(&zone->low))
			missing += os_load(&zone->high) - nr_free;
	}
	return missing;
}

/* True for RECLAIM_PAUSE_MS after a reclaim. */
static bool is_muted(struct rpcbuf *mm, uint64_t now)
{
	struct mm_pass *pass = os_guarded(&mm->maintain.pass);

	if (pass->muted && now >= pass->reclaim_ns) {
		pass->muted = false;
		os_store(&mm->reclaim_asked, 0);
	}
	return pass->muted;
}

static void mute(struct rpcbuf *mm, uint64_t now)
{
	struct mm_pass *pass = os_guarded(&mm->maintain.pass);

	os_store(&mm->reclaim_asked, 1);
	pass->muted = true;
	pass->reclaim_ns = now + RECLAIM_PAUSE_MS * OS_MS_NS;
}

/* Returns the milliseconds to the next look. */
static int reclaim(struct rpcbuf *mm, uint64_t now)
{
	bool enough, asked, alone = !kick_listens(mm);
	uint64_t missing;

	if (is_muted(mm, now))
		return RECLAIM_PAUSE_MS;
	enough = budget_settle(mm);
	asked = os_load(&mm->reclaim_asked);
	/* Without the thread no request sets reclaim_asked. */
	missing = asked || alone || !enough ? shortage(mm) : 0;
	if (enough && !asked && !missing)
		return IDLE_MS;
	if (missing && pcp_nr_cached(mm) + shrinkers_run(mm, missing))
		pcp_drain_all(mm);
	mute(mm, now);
	return RECLAIM_PAUSE_MS;
}

/* Memory is short in the system: all that is idle goes back. */
static void relieve(struct rpcbuf *mm)
{
	struct mm_pass *pass = os_guarded(&mm->maintain.pass);

	if (!os_exchange_acquire(&mm->maintain.pressed, false))
		return;
	shrinkers_run(mm, mm->arena.nr_pages);
	pcp_drain_all(mm);
	pass->urgent = true;
	pass->urgent_since = report_moment(mm, 0);
}

static int decay(struct rpcbuf *mm, uint64_t now)
{
	struct mm_pass *pass = os_guarded(&mm->maintain.pass);

	if (now >= pass->decay_ns) {
		pcp_decay(mm);
		pass->decay_ns = now + DECAY_MS * OS_MS_NS;
	}
	return pcp_nr_cached(mm) ? BUSY_MS : IDLE_MS;
}

/* Reports the free pages of blocks that are partly used, a batch; returns how
 * many blocks. */
static unsigned int report_among_others(struct rpcbuf *mm)
{
	unsigned int node, nr = 0;
	uint64_t given = 0;

	for (node = 0; node < mm->nr_nodes; node++) {
		uint32_t number = 0;

		while (nr < RPCBUF_REPORT_MAX &&
		       report_mixed(mm, node, &number, &given))
			nr++;
	}
	return nr;
}

static int report(struct rpcbuf *mm, uint64_t now)
{
	struct mm_pass *pass = os_guarded(&mm->maintain.pass);
	uint64_t before, given = 0;
	unsigned int node, nr = 0;

	if (!report_pending(mm) && !pass->urgent)
		return IDLE_MS;
	if (now < pass->report_ns)
		return REPORT_PAUSE_MS;
	before = pass->urgent ? pass->urgent_since
			      : report_moment(mm, REPORT_AGE_NS);
	for (node = 0; node < mm->nr_nodes; node++)
		nr += report_batch(mm, node, before, &given);
	if (!nr && pass->urgent)
		nr = report_among_others(mm);
	if (!nr) {
		pass->urgent = false;
		return BUSY_MS;
	}
	pass->report_ns = os_now() + REPORT_PAUSE_MS * OS_MS_NS;
	return REPORT_PAUSE_MS;
}

int rpcbuf_maintain(struct rpcbuf *mm)
{
	uint64_t now = os_now();
	int ms;

	if (fork_is_child(mm))
		return -EPERM;
	if (!os_guard_try(&mm->maintain.pass))
		return RECLAIM_PAUSE_MS;
	node_flush(mm);
	relieve(mm);
	ms = reclaim(mm, now);
	ms = rpcbuf_min(ms, decay(mm, now));
	ms = rpcbuf_min(ms, report(mm, now));
	os_unguard(&mm->maintain.pass);
	page_log(mm);
	return ms;
}

void maintain_pressure(struct rpcbuf *mm)
{
	os_store(&mm->maintain.pressed, true);
}

static void *maintain_main(void *arg)
{
	struct rpcbuf *mm = arg;
	struct mm_maintain *maintain = &mm->maintain;

	pthread_setname_np(pthread_self(), "rpcbuf-mm");
	while (!os_load_acquire(&maintain->stop)) {
		int ms = rpcbuf_maintain(mm);

		if (os_pressure_wait(&maintain->pressure, ms))
			maintain_pressure(mm);
	}
	return NULL;
}

static int start_thread(struct rpcbuf *mm)
{
	struct mm_thread *thread = os_guard(&mm->maintain.thread);
	int err = os_thread_start(&thread->id, maintain_main, mm);

	thread->running = err == 0;
	os_unguard(&mm->maintain.thread);
	return err;
}

int maintain_start(struct rpcbuf *mm, bool pressure)
{
	int err = kick_open(mm, pressure);

	if (err)
		return err;
	err = start_thread(mm);
	if (err) {
		kick_close(mm);
		return os_why(err, "cannot start the maintenance thread");
	}
	return err;
}

void maintain_stop(struct rpcbuf *mm)
{
	struct mm_maintain *maintain = &mm->maintain;
	struct mm_thread *thread, was;

	if (os_load(&mm->forked))
		return; /* it did not come along */
	thread = os_guard(&maintain->thread);
	was = *thread;
	thread->running = false;
	os_unguard(&maintain->thread);
	if (!was.running)
		return;
	os_store_release(&maintain->stop, true);
	kick(mm);
	pthread_join(was.id, NULL);
}

void maintain_close(struct rpcbuf *mm)
{
	maintain_stop(mm);
	kick_close(mm);
}

void rpcbuf_maintain_stop(struct rpcbuf *mm)
{
	if (!fork_is_child(mm))
		maintain_stop(mm);
}
