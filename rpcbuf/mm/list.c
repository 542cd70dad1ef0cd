/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The list face of the bulk allocator, and lists of pages as such.
 *
 * A link is the number of the next page + 1 in a dense array, 16 pages to a
 * cache line: a list of adjacent pages dirties a sixteenth of what links in
 * the pages themselves would.  The link of the last page is not read.
 */
#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>

static void append(struct rpcbuf *mm, struct rpcbuf_page_list *list,
		   uint64_t index)
{
	uint32_t link = (uint32_t)index + 1;

	if (list->first)
		os_store(&mm->links[list->last - 1], link);
	else
		list->first = link;
	list->last = link;
	list->nr++;
}

struct list_sink {
	struct rpcbuf *mm;
	struct rpcbuf_page_list *list;
};

static bool append_page(void *page, void *opaque)
{
	struct list_sink *sink = opaque;

	append(sink->mm, sink->list, arena_index(&sink->mm->arena, page));
	return true;
}

unsigned int rpcbuf_alloc_bulk_list(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				    unsigned int nr,
				    struct rpcbuf_page_list *list)
{
	struct list_sink sink = {mm, list};
	uint64_t began = bulk_fill_begin();
	unsigned int filled = bulk_take_each(mm, gfp, nr, append_page, &sink);

	bulk_fill_end(mm, nr, filled, began);
	return filled;
}

void rpcbuf_page_list_add(struct rpcbuf *mm, struct rpcbuf_page_list *list,
			  void *page)
{
	uint64_t index = arena_index(&mm->arena, page);

	if (rpcbuf_unlikely(index >= mm->arena.nr_pages)) {
		page_refuse(mm, page, PAGE_FOREIGN);
		page_log(mm);
		return;
	}
	append(mm, list, index);
}

void *rpcbuf_page_list_pop(struct rpcbuf *mm, struct rpcbuf_page_list *list)
{
	uint32_t link = list->first;

	if (!link)
		return NULL;
	list->first = link == list->last ? 0 : os_load(&mm->links[link - 1]);
	list->nr--;
	return arena_page(&mm->arena, link - 1);
}

void rpcbuf_page_list_splice(struct rpcbuf *mm, struct rpcbuf_page_list *from,
			     struct rpcbuf_page_list *to)
{
	if (!from->first)
		return;
	if (to->first)
		os_store(&mm->links[to->last - 1], from->first);
	else
		to->first = from->first;
	to->last = from->last;
	to->nr += from->nr;
	*from = (struct rpcbuf_page_list)RPCBUF_PAGE_LIST_INIT;
}

unsigned int rpcbuf_page_list_to_array(struct rpcbuf *mm,
				       struct rpcbuf_page_list *list,
				       unsigned int nr, void **pages)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (pages[i])
			continue;
		pages[i] = rpcbuf_page_list_pop(mm, list);
		if (!pages[i])
			break;
	}
	return i;
}

void rpcbuf_free_bulk_list(struct rpcbuf *mm, struct rpcbuf_page_list *list)
{
	void *pages[PCP_CHUNK];
	unsigned int n;

	while (list->first) {
		for (n = 0; n < PCP_CHUNK && list->first; n++)
			pages[n] = rpcbuf_page_list_pop(mm, list);
		rpcbuf_free_bulk_array(mm, n, pages);
	}
}
