/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rpcbuf/os/bits.h>
#include <rpcbuf/os/memfd.h>
#include <rpcbuf/os/os.h>

/* Not populated: faults map what lies around as well, for less than it costs
 * to ask for all pages, and only where a page is read. */
int os_map_at(void *address, size_t length, int fd, uint64_t offset)
{
	if (mmap(address, length, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)offset) == MAP_FAILED)
		return -errno;
	return 0;
}

void os_make_private(void *address, size_t length, int fd)
{
	if (mmap(address, length, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED)
		mprotect(address, length, PROT_READ);
}

int os_keep_from_children(void *address, size_t length)
{
	return madvise(address, length, MADV_DONTFORK) ? -errno : 0;
}

int os_reserve(void **address, size_t length)
{
	void *map = mmap(NULL, length, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	*address = map;
	return 0;
}

bool os_is_committed(void *page)
{
	unsigned char state = 0;

	return mincore(page, OS_PAGE_SIZE, &state) == 0 && state & 1;
}

void os_close(int fd)
{
	close(fd);
}

int os_map_shared(void **address, size_t length, size_t align, int *fd)
{
	void *map;
	int err;

	*fd = memfd_create("rpcbuf", MFD_CLOEXEC);
	if (*fd < 0)
		return -errno;
	if (ftruncate(*fd, (off_t)length) < 0) {
		err = -errno;
		goto fail;
	}
	/* Anonymous first, for the alignment. */
	err = os_map(address, length, align);
	if (err)
		goto fail;
	map = mmap(*address, length, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED | MAP_NORESERVE, *fd, 0);
	if (map != MAP_FAILED)
		return 0;
	err = -errno;
	os_unmap(*address, length);
fail:
	close(*fd);
	*fd = -1;
	return err;
}
