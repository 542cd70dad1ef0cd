/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Doubly linked lists whose links live in the elements, with the kernel's
 * names.  No locking of their own.
 */
#ifndef RPCBUF_OS_LIST_H
#define RPCBUF_OS_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_head {
	struct list_head *next, *prev;
};

static inline void list_init(struct list_head *head)
{
	head->next = head->prev = head;
}

/* An element that was initialised or removed is not on any list. */
static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline void list_insert(struct list_head *link, struct list_head *prev,
			       struct list_head *next)
{
	link->prev = prev;
	link->next = next;
	prev->next = link;
	next->prev = link;
}

static inline void list_add(struct list_head *link, struct list_head *head)
{
	list_insert(link, head, head->next);
}

static inline void list_add_tail(struct list_head *link, struct list_head *head)
{
	list_insert(link, head->prev, head);
}

/* Harmless for an element that is on no list. */
static inline void list_del(struct list_head *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Moves all elements of @from behind those of @to; @from is empty then. */
static inline void list_splice_tail(struct list_head *from,
				    struct list_head *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(link, type, member) \
	((type *)((char *)(link)-offsetof(type, member)))
#define list_first_entry(head, type, member) \
	list_entry((head)->next, type, member)

/* The element at hand may be removed; no other may. */
#define list_for_each_entry_safe(entry, tmp, head, type, member) \
	for (entry = list_first_entry(head, type, member),       \
	    tmp = list_entry(entry->member.next, type, member);  \
	     &entry->member != (head);                           \
	     entry = tmp, tmp = list_entry(tmp->member.next, type, member))

#endif /* RPCBUF_OS_LIST_H */
