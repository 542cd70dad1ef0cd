/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: in a server that it was not built for, the plug-in is not loaded, says
 * why, and crashes nothing.
 *
 * Method: the built plug-in, with another version written over the names that
 * it compares with the server's and ntirpc's, so that this server is the wrong
 * one. The name that the loader needs stays: it is the first in the file.
 */
#include "host.h"

static const char *name; /* of the library whose version is changed */

static size_t read_all(const char *path, char **data)
{
	FILE *f = fopen(path, "r");
	size_t size;

	if (!f || fseek(f, 0, SEEK_END) != 0) {
		perror(path);
		_exit(3);
	}
	size = (size_t)ftell(f);
	rewind(f);
	*data = malloc(size);
	if (!*data || fread(*data, 1, size, f) != size)
		_exit(3);
	fclose(f);
	return size;
}

static void write_all(const char *path, const char *data, size_t size)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
		perror(path);
		_exit(3);
	}
}

/* Changes version 4.3 to 9.9 behind every `name` but the first. */
static void change_version(const char *folder)
{
	char path[PATH_MAX], *data, *at, *end;
	int found = 0;
	size_t size;

	snprintf(path, sizeof(path), "%s/libfsalrpcbuf.so", folder);
	size = read_all(path, &data);
	end = data + size;
	for (at = data; (at = memmem(at, end - at, name, strlen(name)));
	     at += strlen(name))
		if (found++ > 0)
			memcpy(at + strlen(name) - 3, "9.9", 3);
	if (found < 2) {
		fprintf(stderr, "%s is not in the plug-in\n", name);
		_exit(3);
	}
	unlink(path);
	write_all(path, data, size);
	free(data);
}

static int not_loaded(const char *library)
{
	const struct host_case c = { .sub = "MEM",
				     .path = "/mem",
				     .modules = change_version };
	char built_for[256];
	const char *sentences[] = {
		built_for, "Failed to load FSAL (RPCBUF)"
	};

	name = library;
	snprintf(built_for, sizeof(built_for),
		 "FSAL RPCBUF is not loaded: it is built for %.*s9.9, this "
		 "server runs %s",
		 (int)strlen(library) - 3, library, library);
	return host_refuses(&c, sentences, 2);
}

int main(void)
{
	return not_loaded("libganesha_nfsd.so.4.3") +
		       not_loaded("libntirpc.so.4.3") !=
	       0;
}
