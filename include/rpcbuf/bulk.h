/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/bulk.h - the other faces of the bulk page allocator: lists,
 * callbacks, and pages of higher orders.
 *
 * rpcbuf/mm.h has the calls for arrays.  All take the same flags and return how
 * many pages there are, fewer than asked for on shortage.  In this project the list
 * has no user but mempools (rpcbuf/mempool.h), tests and rpcbuf-bench; the callback
 * is used by the page pool (rpcbuf/page_pool.h), which other programs may use.
 *
 * Threads: any, at any time; a list and an array belong to the caller.
 * Nothing here sleeps.
 */
#ifndef RPCBUF_BULK_H
#define RPCBUF_BULK_H

#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Memory nodes: numbered from 0; a set of them is a mask of bits.
 *
 * A request prefers the node that the caller runs on, or the one it names.
 * Bulk comes from the preferred node as long as that has pages above its low
 * watermark; the rest, page by page, from it and the other nodes of the mask,
 * near ones first.
 */
typedef uint64_t rpcbuf_nodemask_t;
#define RPCBUF_NODES_ALL (~(rpcbuf_nodemask_t)0)
#define RPCBUF_NODE_HERE (-1)

unsigned int rpcbuf_nr_nodes(const struct rpcbuf *mm);

/* The node of a page, from 0; -EINVAL for what is no page of the instance. */
int rpcbuf_page_node(const struct rpcbuf *mm, const void *page);

/* rpcbuf_alloc_bulk_array(), rpcbuf_alloc_page() and rpcbuf_alloc_pages() for a
 * node and a mask.  @node: RPCBUF_NODE_HERE, or one that there is; for others
 * the request fails.  Only nodes of @mask serve, the preferred one included. */
unsigned int rpcbuf_alloc_bulk_array_node(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
					  int node, rpcbuf_nodemask_t mask,
					  unsigned int nr, void **pages);
void *rpcbuf_alloc_page_node(struct rpcbuf *mm, rpcbuf_gfp_t gfp, int node,
			     rpcbuf_nodemask_t mask);
void *rpcbuf_alloc_pages_node(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			      unsigned int order, int node,
			      rpcbuf_nodemask_t mask);

/*
 * How many runs of adjacent pages an array is, NULL slots left out: the number
 * of iovecs that it would be.
 */
unsigned int rpcbuf_bulk_runs(unsigned int nr, void *const *pages);

/*
 * A list of pages, in one direction, of a single instance.
 *
 * The links are in a field that each page has for this purpose, in the
 * bookkeeping of the instance and not in the page: a page's memory is not
 * touched, and may be in use.  The field belongs to the holder of the page: a
 * page is on one list at a time, and of several holders only one may list it.
 * Fields are private; nr may be read.  A zeroed list is an empty list.
 */
struct rpcbuf_page_list {
	uint32_t first; /* number of a page + 1, or 0 */
	uint32_t last;	/* valid unless first is 0 */
	uint32_t nr;	/* pages on the list */
};

#define RPCBUF_PAGE_LIST_INIT { 0, 0, 0 }

/*
 * rpcbuf_alloc_bulk_list - append up to @nr pages to a list.
 *
 * Returns how many were appended, @nr at most RPCBUF_BULK_MAX.  At least one
 * is tried for unless @nr is 0.  The pages belong to the caller.
 */
unsigned int rpcbuf_alloc_bulk_list(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				    unsigned int nr,
				    struct rpcbuf_page_list *list);

/* Drops a reference on every page of the list, which is empty afterwards. */
void rpcbuf_free_bulk_list(struct rpcbuf *mm, struct rpcbuf_page_list *list);

/* Appends a page that the caller holds and that is on no list.  What is no
 * page of the instance is left out and counted as refused. */
void rpcbuf_page_list_add(struct rpcbuf *mm, struct rpcbuf_page_list *list,
			  void *page);

/* Removes and returns the first page, NULL when the list is empty. */
void *rpcbuf_page_list_pop(struct rpcbuf *mm, struct rpcbuf_page_list *list);

/* Moves all pages of @from behind those of @to, in constant time; @from is
 * empty afterwards. */
void rpcbuf_page_list_splice(struct rpcbuf *mm, struct rpcbuf_page_list *from,
			     struct rpcbuf_page_list *to);

/*
 * rpcbuf_page_list_to_array - move pages from the front of a list to the NULL
 * slots of an array.
 *
 * Returns how many slots, counted from the front, are populated afterwards, as
 * rpcbuf_alloc_bulk_array() does.  Pages that find no slot stay on the list.
 */
unsigned int rpcbuf_page_list_to_array(struct rpcbuf *mm,
				       struct rpcbuf_page_list *list,
				       unsigned int nr, void **pages);

/*
 * What rpcbuf_alloc_bulk_callback() calls for each page.  True: the page is
 * the callback's.  False: it does not want it; the allocation stops there.  No
 * lock is held: it may call the library, and wait.
 */
typedef bool (*rpcbuf_page_fn)(void *page, void *opaque);

/*
 * rpcbuf_alloc_bulk_callback - hand up to @nr pages to a function, one by one.
 *
 * Returns how many were accepted.  A page that is refused goes back, and so do
 * the pages (64 at most) that were taken along with it.
 */
unsigned int rpcbuf_alloc_bulk_callback(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
					unsigned int nr, rpcbuf_page_fn fn,
					void *opaque);

/*
 * Pages of an order: 2^order pages that are adjacent and aligned to their size.
 * They are named by the address of the first, which carries the references of
 * the whole: rpcbuf_page_get() on that one, and each reference is dropped with
 * the order that it was allocated with.
 */
#define RPCBUF_ORDER_MAX 9u

/* NULL: no such run is to be had; one above RPCBUF_ORDER_MAX never is.  Order 0 is
 * rpcbuf_alloc_page(). */
void *rpcbuf_alloc_pages(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			 unsigned int order);

/* Drops a reference; NULL is passed over. */
void rpcbuf_free_pages(struct rpcbuf *mm, void *pages, unsigned int order);

/*
 * Runs of any length, longer than the orders too: @nr adjacent pages, from a page
 * that is aligned to 2 MiB when @nr is more than 512.  The first page carries
 * the references of the whole; released with the same @nr.  NULL on shortage,
 * and for RPCBUF_GFP_NOLOCK with more than 512 pages.  Looks through all of the
 * instance's bookkeeping: for set-up, not for every request.
 */
void *rpcbuf_alloc_contig(struct rpcbuf *mm, rpcbuf_gfp_t gfp, uint64_t nr);
void rpcbuf_free_contig(struct rpcbuf *mm, void *pages, uint64_t nr);

/*
 * rpcbuf_alloc_bulk_orders - fill the NULL slots of an array with pages of an
 * order.
 *
 * @orders: the order of what is in each slot is written here for every slot
 *          that is filled; where no run of @order is free, the slot and those
 *          after it get pages of order 0.  NULL: no such fallback.
 *
 * Returns how many slots, counted from the front, are populated.
 */
unsigned int rpcbuf_alloc_bulk_orders(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				      unsigned int order, unsigned int nr,
				      void **pages, uint8_t *orders);

/* Drops a reference on each; NULL slots are passed over, all are NULL
 * afterwards.  @orders may be read up to @nr. */
void rpcbuf_free_bulk_orders(struct rpcbuf *mm, unsigned int nr, void **pages,
			     const uint8_t *orders);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_BULK_H */
