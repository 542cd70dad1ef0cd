/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * client HOST put KEY FILE | get KEY FILE | remove KEY | count
 *
 * Puts the contents of a file into the store, or a value into a file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

static CLIENT *client;

static int failed(enum clnt_stat stat, const char *what)
{
	if (stat == RPC_SUCCESS)
		return 0;
	clnt_perror(client, what);
	return 1;
}

static int put(char *key, const char *path)
{
	kv_put_args args = {.key = key};
	FILE *file = fopen(path, "rb");
	kv_status status;
	int err;

	if (!file || fseek(file, 0, SEEK_END))
		return perror(path), 1;
	args.value.length = (uint32_t)ftell(file);
	args.value.data = malloc(args.value.length + 1);
	rewind(file);
	if (!args.value.data || fread(args.value.data, 1, args.value.length,
				      file) != args.value.length)
		return perror(path), 1;
	fclose(file);
	err = failed(kv_put_1(&args, &status, client), "put");
	free(args.value.data);
	return err || status != KV_OK;
}

static int get(char *key, const char *path)
{
	kv_get_result result = {0};
	const rpcbuf_bytes_ref *value = &result.kv_get_result_u.value;
	FILE *file;
	int err;

	if (failed(kv_get_1(&key, &result, client), "get"))
		return 1;
	if (result.status != KV_OK) {
		fprintf(stderr, "%s: there is no such key\n", key);
		return 2;
	}
	file = fopen(path, "wb");
	err = !file ||
	      fwrite(value->data, 1, value->length, file) != value->length;
	if (!file || fclose(file) || err)
		return perror(path), 1;
	xdr_free((xdrproc_t)(void *)xdr_kv_get_result, &result);
	return 0;
}

int main(int argc, char **argv)
{
	const char *command = argc > 2 ? argv[2] : "";
	kv_status status = KV_ABSENT;
	u_int count;

	if (argc < 3 ||
	    !(client = clnt_create(argv[1], KV_PROG, KV_V1, "tcp"))) {
		clnt_pcreateerror(argc > 1 ? argv[1] : argv[0]);
		return 1;
	}
	if (!strcmp(command, "put") && argc == 5)
		return put(argv[3], argv[4]);
	if (!strcmp(command, "get") && argc == 5)
		return get(argv[3], argv[4]);
	if (!strcmp(command, "remove") && argc == 4)
		return failed(kv_remove_1(&argv[3], &status, client),
			      "remove") ||
		       status != KV_OK;
	if (!strcmp(command, "count") && argc == 3) {
		if (failed(kv_count_1(NULL, &count, client), "count"))
			return 1;
		printf("%u\n", count);
		return 0;
	}
	fprintf(stderr,
		"usage: %s HOST put KEY FILE | get KEY FILE | "
		"remove KEY | count\n",
		argv[0]);
	return 64;
}
