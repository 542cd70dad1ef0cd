/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rpcbuf/mm/fault.h>
#include <rpcbuf/mm/guard.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/sized.h>

#define MILLION 1000000u

/* splitmix64: the same number for the same seed and request. */
static uint64_t fault_random(uint64_t seed, uint64_t request)
{
	uint64_t z = seed + request * 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* `reserve` fails every request, so it is off while a waiter is queued: that one
 * would ask for ever. */
static bool must_live_on_reserve(const struct rpcbuf *mm, rpcbuf_gfp_t gfp)
{
	return os_load(&mm->fault.reserve) && !(gfp & RPCBUF_GFP_RESERVE) &&
	       !wait_pending(mm);
}

static bool hits(struct rpcbuf *mm, rpcbuf_gfp_t gfp)
{
	struct fault_state *state = &mm->fault;
	uint64_t request = os_fetch_add(&state->requests, 1) + 1;
	uint64_t every = os_load(&state->every), share = os_load(&state->share);

	if (must_live_on_reserve(mm, gfp))
		return true;
	if (request == os_load(&state->nth) || (every && request % every == 0))
		return true;
	return share &&
	       fault_random(os_load(&state->seed), request) % MILLION < share;
}

/* One of the `times`, as long as there are any. */
static bool allowed(struct fault_state *state)
{
	uint64_t times = os_load(&state->times);

	if (os_fetch_add(&state->injected, 1) < times || !times)
		return true;
	os_fetch_add(&state->injected, -1ull);
	return false;
}

unsigned int fault_limit(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int want)
{
	struct fault_state *state = &mm->fault;
	uint64_t pages;

	if (!(os_load(&mm->guard) & GUARD_FAULT) || !hits(mm, gfp) ||
	    !allowed(state))
		return want;
	stats_add(mm, STAT_faults, 1);
	if (wait_pending(mm))
		wait_wake_nolock(mm);
	pages = os_load(&state->pages);
	return pages < want ? (unsigned int)pages : want;
}

int rpcbuf_fault_set(struct rpcbuf *mm, const struct rpcbuf_fault *given)
{
	struct rpcbuf_fault known = RPCBUF_FAULT_INIT, *fault = &known;
	struct fault_state *state = &mm->fault;
	int err;

	if (!given) {
		guard_change(mm, 0, GUARD_FAULT);
		return 0;
	}
	err = sized_read(fault, sizeof(*fault), given);
	if (err)
		return err;
	if (fault->share > MILLION)
		return -EINVAL;
	os_store(&state->nth, fault->nth);
	os_store(&state->every, fault->every);
	os_store(&state->share, fault->share);
	os_store(&state->seed, fault->seed);
	os_store(&state->times, fault->times);
	os_store(&state->pages, fault->pages);
	os_store(&state->reserve, (uint64_t)fault->reserve);
	os_store(&state->requests, 0);
	os_store(&state->injected, 0);
	guard_change(mm, GUARD_FAULT, 0);
	return 0;
}

uint64_t rpcbuf_fault_requests(const struct rpcbuf *mm)
{
	return os_load(&mm->fault.requests);
}

uint64_t rpcbuf_fault_injected(const struct rpcbuf *mm)
{
	return os_load(&mm->fault.injected);
}

static bool read_number(const char **at, uint64_t *number)
{
	char *end;

	if (**at != '=' || (*at)[1] < '0' || (*at)[1] > '9')
		return false;
	errno = 0;
	*number = strtoull(*at + 1, &end, 0);
	if (errno)
		return false;
	*at = end;
	return true;
}

/* True when @text goes on with the word @name, which is stepped over. */
static bool is_word(const char **at, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(*at, name, len) || !strchr("=,", (*at)[len]))
		return false;
	*at += len;
	return true;
}

static bool read_member(const char **at, struct rpcbuf_fault *fault)
{
	struct {
		const char *name;
		uint64_t *number;
	} members[] = {
		{"nth", &fault->nth},	  {"every", &fault->every},
		{"share", &fault->share}, {"seed", &fault->seed},
		{"times", &fault->times}, {"pages", &fault->pages},
	};
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (is_word(at, members[i].name))
			return read_number(at, members[i].number) &&
			       fault->share <= MILLION;
	if (is_word(at, "reserve"))
		return fault->reserve = true;
	if (is_word(at, "slow"))
		return fault->slow = true;
	return false;
}

int rpcbuf_fault_parse(const char *text, struct rpcbuf_fault *fault,
		       const char **wrong)
{
	struct rpcbuf_fault read = RPCBUF_FAULT_INIT;
	const char *at = text, *member = text;

	for (;;) {
		member = at;
		if (!read_member(&at, &read) || (*at && *at != ',')) {
			*wrong = member;
			return -EINVAL;
		}
		if (!*at)
			break;
		at++;
	}
	*wrong = text;
	return sized_write(fault, &read, sizeof(read));
}

int fault_create(struct rpcbuf *mm)
{
	const char *text = getenv("RPCBUF_FAULT"), *wrong;
	struct rpcbuf_fault fault = RPCBUF_FAULT_INIT;

	if (!text || !*text)
		return 0;
	if (rpcbuf_fault_parse(text, &fault, &wrong)) {
		fprintf(stderr,
			"rpcbuf: RPCBUF_FAULT=%s: \"%s\" is none of nth=N, "
			"every=N, share=N (of %u), seed=N, times=N, pages=N, "
			"reserve, slow\n",
			text, wrong, MILLION);
		return -EINVAL;
	}
	return rpcbuf_fault_set(mm, &fault);
}
