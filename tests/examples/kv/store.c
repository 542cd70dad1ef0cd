/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The procedures of kv.x.  A value that is being sent is referred to, not
 * copied, so it counts its references: the store's, and those of results in
 * flight.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

#define BUCKETS 1024u

struct value {
	unsigned int refs; /* under the lock of the store */
	uint32_t length;
	char bytes[];
};

struct entry {
	struct entry *next;
	struct value *value;
	char key[KV_KEY_MAX + 1];
};

static struct {
	pthread_mutex_t lock;
	struct entry *buckets[BUCKETS];
	unsigned int count;
} store = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The link that points to the entry of @key, or to NULL. */
static struct entry **find(const char *key)
{
	struct entry **link;
	uint32_t hash = 0;

	for (const char *c = key; *c; c++)
		hash = hash * 31 + (unsigned char)*c;
	link = &store.buckets[hash % BUCKETS];
	while (*link && strcmp((*link)->key, key))
		link = &(*link)->next;
	return link;
}

static void value_put(struct value *value)
{
	if (value && !--value->refs)
		free(value);
}

static struct value *value_create(const rpcbuf_bytes_ref *from)
{
	struct value *value = malloc(sizeof(*value) + from->length);

	if (!value)
		return NULL;
	value->refs = 1;
	value->length = from->length;
	rpcbuf_bytes_ref_copy(from, 0, value->bytes, from->length);
	return value;
}

static struct entry *entry_create(const char *key)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry)
		strncpy(entry->key, key, KV_KEY_MAX);
	return entry;
}

bool_t kv_put_1_svc(kv_put_args *args, kv_status *status, struct svc_req *req)
{
	struct value *value = value_create(&args->value);
	struct entry **link;

	(void)req;
	pthread_mutex_lock(&store.lock);
	link = find(args->key);
	if (value && !*link) {
		*link = entry_create(args->key);
		store.count += *link != NULL;
	}
	if (value && *link) {
		value_put((*link)->value);
		(*link)->value = value;
		*status = KV_OK;
	} else {
		value_put(value);
		*status = KV_NO_MEMORY;
	}
	pthread_mutex_unlock(&store.lock);
	return TRUE;
}

bool_t kv_get_1_svc(kv_key *key, kv_get_result *result, struct svc_req *req)
{
	rpcbuf_bytes_ref *ref = &result->kv_get_result_u.value;
	struct entry *entry;

	(void)req;
	memset(result, 0, sizeof(*result));
	pthread_mutex_lock(&store.lock);
	entry = *find(*key);
	if (entry) {
		entry->value->refs++;
		ref->data = entry->value->bytes;
		ref->length = entry->value->length;
	}
	pthread_mutex_unlock(&store.lock);
	result->status = entry ? KV_OK : KV_ABSENT;
	return TRUE;
}

bool_t kv_remove_1_svc(kv_key *key, kv_status *status, struct svc_req *req)
{
	struct entry **link, *entry;

	(void)req;
	pthread_mutex_lock(&store.lock);
	link = find(*key);
	entry = *link;
	if (entry) {
		*link = entry->next;
		value_put(entry->value);
		store.count--;
	}
	pthread_mutex_unlock(&store.lock);
	free(entry);
	*status = entry ? KV_OK : KV_ABSENT;
	return TRUE;
}

bool_t kv_count_1_svc(void *args, u_int *count, struct svc_req *req)
{
	(void)args;
	(void)req;
	pthread_mutex_lock(&store.lock);
	*count = store.count;
	pthread_mutex_unlock(&store.lock);
	return TRUE;
}

/* The reply was sent: the value that it referred to may be freed. */
int kv_prog_1_freeresult(SVCXPRT *transp, xdrproc_t xdr_result, caddr_t where)
{
	kv_get_result *result = (kv_get_result *)(void *)where;
	char *bytes;

	(void)transp;
	if (xdr_result != (xdrproc_t)(void *)xdr_kv_get_result ||
	    result->status != KV_OK)
		return 1;
	bytes = result->kv_get_result_u.value.data;
	pthread_mutex_lock(&store.lock);
	value_put((struct value *)(void *)(bytes -
					   offsetof(struct value, bytes)));
	pthread_mutex_unlock(&store.lock);
	return 1;
}
