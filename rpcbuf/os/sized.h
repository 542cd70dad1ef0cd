/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Structs that a caller allocates and whose first member is `size_t size`.
 *
 * The caller sets `size` to the sizeof that it was compiled with, so a program
 * and a library of different releases understand each other:
 *
 *	older caller	It lacks the last members.  The library takes the
 *			defaults for those of an input, and leaves out those of
 *			an output.
 *	newer caller	It has members that the library does not know.  Those of
 *			an input must be zero, else -E2BIG; those of an output
 *			become zero.
 *
 * So a new member goes to the end, with a meaning of zero that is what the
 * library did before; where the struct ends in padding, it goes behind that, which
 * gets a name: an older caller does not set padding.  (The kernel's copy_struct_from_user() and
 * copy_struct_to_user(), include/linux/uaccess.h.)
 */
#ifndef RPCBUF_OS_SIZED_H
#define RPCBUF_OS_SIZED_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* For a sentence that begins with the name of the struct: the caller's size, and
 * the known one. */
#define SIZED_WRONG                                     \
	" have %zu bytes; this library knows %zu, and " \
	"members behind these must be 0"

/* Bytes that a newer struct may have more.  A size beyond that was never set. */
#define SIZED_MORE 4096u

static inline int sized_check(size_t size, size_t known)
{
	if (size < sizeof(size_t))
		return -EINVAL;
	return size > known + SIZED_MORE ? -E2BIG : 0;
}

/*
 * sized_read - take a struct of the caller's over.
 *
 * @to: @known bytes, with the defaults, its `size` included.  Returns 0; -EINVAL
 * or -E2BIG, and *to is untouched.
 */
static inline int sized_read(void *to, size_t known, const void *from)
{
	const unsigned char *bytes = (const unsigned char *)from;
	size_t size = *(const size_t *)from, rest;
	int err = sized_check(size, known);

	if (err)
		return err;
	for (rest = known; rest < size; rest++)
		if (bytes[rest])
			return -E2BIG;
	if (size > known)
		size = known;
	memcpy((char *)to + sizeof(size_t), bytes + sizeof(size_t),
	       size - sizeof(size_t));
	return 0;
}

/*
 * sized_write - fill a struct of the caller's.
 *
 * @from: @known bytes.  Only the caller's `size` bytes are written, and `size`
 * stays.  Returns 0; -EINVAL or -E2BIG, and *to is untouched.
 */
static inline int sized_write(void *to, const void *from, size_t known)
{
	size_t size = *(const size_t *)to, common;
	int err = sized_check(size, known);

	if (err)
		return err;
	common = size < known ? size : known;
	memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t),
	       common - sizeof(size_t));
	memset((char *)to + common, 0, size - common);
	return 0;
}

#endif /* RPCBUF_OS_SIZED_H */
