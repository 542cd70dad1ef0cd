/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Debug builds: free pages are poisoned, and each page has an owner record.
 *
 * Poison: under the address sanitizer every access to a free page is an error
 * at the instruction that does it.  Elsewhere the first and the last
 * POISON_BYTES of a free page that was written to are a pattern, which is
 * checked when the page goes out again; pages that were never touched stay so.
 * The thread sanitizer needs none: it sees such accesses as races.
 *
 * Owner record: the thread that allocated the page, from where, and the thread
 * that released it last.  What page.c says about a wrong release has it.
 *
 * Any thread, signal handlers included.  The holder of the page owns its
 * record.
 */
#ifndef RPCBUF_MM_POISON_H
#define RPCBUF_MM_POISON_H

#include <rpcbuf/mm/instance.h>
#include <rpcbuf/os/assert.h>
#include <rpcbuf/os/caller.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISON_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ASAN 1
#endif
#endif

#define POISON_BYTES 64u
#define POISON_BYTE  0x6b

struct page_owner {
	void *callers[OS_CALLERS];
	int allocated_by, released_by; /* os_thread_id() */
};

/* 0 or -ENOMEM; nothing in other builds. */
int poison_create(struct rpcbuf *mm);
void poison_destroy(struct rpcbuf *mm);

/* The page of an index goes to a caller, or has come back. */
void poison_out(struct rpcbuf *mm, uint64_t index, void *const *callers);
void poison_free(struct rpcbuf *mm, uint64_t index);

/* Before the library itself writes to a page that is not out. */
void poison_lift(void *page);

/* The last owner, as part of a sentence; valid until the thread's next call. */
const char *poison_owner(const struct rpcbuf *mm, uint64_t index);

static inline void page_unpoison(void *page)
{
	if (RPCBUF_DEBUG)
		poison_lift(page);
}

#endif /* RPCBUF_MM_POISON_H */
