/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Preloaded into ganesha.nfsd by tests, which compile it: of the functions
 * below, the plug-in's call number RPCBUF_FAIL_NTH fails, as in a shortage.
 * The name of that function is written to the file RPCBUF_FAIL_FILE.  Or its
 * next calloc() fails once the file RPCBUF_FAIL_ONCE exists, which is removed
 * then.  The return address tells the caller.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLUGIN "libfsalrpcbuf.so"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nr, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static bool is_plugin(void *caller)
{
	struct dl_find_object object;
	const char *name;

	if (_dl_find_object(caller, &object) != 0)
		return false;
	name = strrchr(object.dlfo_link_map->l_name, '/');
	return name && strcmp(name + 1, PLUGIN) == 0;
}

static void tell(const char *function)
{
	const char *file = getenv("RPCBUF_FAIL_FILE");
	int fd = (int)syscall(SYS_openat, AT_FDCWD, file,
			      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, function, strlen(function)) < 0)
		abort();
	close(fd);
}

static bool fails(void *caller, const char *function)
{
	static unsigned long calls;
	const char *nth = getenv("RPCBUF_FAIL_NTH");

	if (!nth || !is_plugin(caller) ||
	    __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) !=
		    strtoul(nth, NULL, 10))
		return false;
	tell(function);
	return true;
}

#define FAILS(err)                                                     \
	(fails(__builtin_return_address(0), __func__) ? errno = (err), \
	 true					      : false)

/* The real function of that name. */
#define NEXT(function)                                                  \
	({                                                              \
		static __typeof__(&(function)) next_;                   \
		if (!next_)                                             \
			*(void **)&next_ = dlsym(RTLD_NEXT, #function); \
		next_;                                                  \
	})

void *malloc(size_t size)
{
	return FAILS(ENOMEM) ? NULL : __libc_malloc(size);
}

static bool fails_once(void *caller)
{
	const char *file = getenv("RPCBUF_FAIL_ONCE");

	return file && is_plugin(caller) && unlink(file) == 0;
}

void *calloc(size_t nr, size_t size)
{
	if (fails_once(__builtin_return_address(0))) {
		errno = ENOMEM;
		return NULL;
	}
	return FAILS(ENOMEM) ? NULL : __libc_calloc(nr, size);
}

void *realloc(void *block, size_t size)
{
	return FAILS(ENOMEM) ? NULL : __libc_realloc(block, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	return FAILS(ENOMEM) ? NULL : __libc_memalign(align, size);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	return FAILS(ENOMEM) ? MAP_FAILED
			     : NEXT(mmap)(at, len, prot, flags, fd, offset);
}

int mprotect(void *at, size_t len, int prot)
{
	return FAILS(ENOMEM) ? -1 : NEXT(mprotect)(at, len, prot);
}

int memfd_create(const char *name, unsigned int flags)
{
	return FAILS(EMFILE) ? -1 : NEXT(memfd_create)(name, flags);
}

int eventfd(unsigned int value, int flags)
{
	return FAILS(EMFILE) ? -1 : NEXT(eventfd)(value, flags);
}

int epoll_create1(int flags)
{
	return FAILS(EMFILE) ? -1 : NEXT(epoll_create1)(flags);
}

int socket(int domain, int type, int protocol)
{
	return FAILS(EMFILE) ? -1 : NEXT(socket)(domain, type, protocol);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*main)(void *), void *arg)
{
	if (fails(__builtin_return_address(0), __func__))
		return EAGAIN;
	return NEXT(pthread_create)(thread, attr, main, arg);
}

/* The rings of io_uring are made without a library function. */
long syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (unsigned int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_io_uring_setup && FAILS(ENOMEM))
		return -1;
	return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Ganesha loads modules with RTLD_DEEPBIND, which would hide these functions
 * from them. */
void *dlopen(const char *file, int mode)
{
	return NEXT(dlopen)(file, mode & ~RTLD_DEEPBIND);
}
