/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <link.h>

#include "rpcbuf/os/table.h"

struct looked_for {
	uintptr_t at;
	size_t len;
	bool writable, fixed;
};

static bool covers(const struct dl_phdr_info *info, const ElfW(Phdr) * p,
		   const struct looked_for *l)
{
	uintptr_t from = info->dlpi_addr + p->p_vaddr;

	return l->at >= from && l->at + l->len <= from + p->p_memsz;
}

static int look_in_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct looked_for *l = arg;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_W)
			l->writable |= covers(info, p, l);
		else if (p->p_type == PT_GNU_RELRO)
			l->fixed |= covers(info, p, l);
	}
	return 0;
}

bool os_table_is_writable(const void *table, size_t len)
{
	struct looked_for l = {.at = (uintptr_t)table, .len = len};

	dl_iterate_phdr(look_in_object, &l);
	return l.writable && !l.fixed;
}
