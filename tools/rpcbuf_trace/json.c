/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An object per call, one on a line, and one where calls were lost.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "names.h"
#include "output.h"

static void add_number(struct json_object *object, const char *name,
		       uint64_t value)
{
	json_object_object_add(object, name, json_object_new_uint64(value));
}

static void add_text(struct json_object *object, const char *name,
		     const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

static void print_object(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}

static void add_operations(struct json_object *object,
			   const struct rpcbuf_event *event)
{
	struct json_object *array = json_object_new_array();
	char name[NAME_LENGTH];

	for (unsigned int i = 0; i < name_nr_operations(event); i++)
		json_object_array_add(
			array, json_object_new_string(
				       name_operation(event->ops[i], name)));
	json_object_object_add(object, "operations", array);
	add_number(object, "nr_operations", event->nr_ops);
}

static void add_numbers(struct json_object *object,
			const struct rpcbuf_event *event)
{
	add_number(object, "xid", event->xid);
	add_number(object, "bytes", event->bytes);
	add_number(object, "fragments", event->fragments);
	add_number(object, "pages", event->pages);
	add_number(object, "filled", event->filled);
	add_number(object, "reused", event->reused);
	add_number(object, "runs", event->runs);
	add_number(object, "bulk_calls", event->bulk_calls);
	add_number(object, "receives", event->receives);
	add_number(object, "in_place", event->in_place);
	add_number(object, "copied", event->copied);
	add_number(object, "copied_bytes", event->copied_bytes);
	add_number(object, "thread", event->thread);
	add_number(object, "wait_ns", event->wait_ns);
	add_number(object, "fill_ns", event->fill_ns);
	add_number(object, "receive_ns", event->receive_ns);
	add_number(object, "reply_ns", event->reply_ns);
	add_number(object, "reply_bytes", event->reply_bytes);
	add_number(object, "reply_pages", event->reply_pages);
	add_number(object, "reply_reserved", event->reply_reserved);
}

static void json_event(const struct rpcbuf_event *event, uint64_t time_ns)
{
	struct json_object *object = json_object_new_object();
	char address[ADDRESS_LENGTH], program[NAME_LENGTH], name[NAME_LENGTH];
	char time[32];

	snprintf(time, sizeof(time), "%" PRIu64 ".%09" PRIu64,
		 time_ns / 1000000000, time_ns % 1000000000);
	json_object_object_add(
		object, "time",
		json_object_new_double_s((double)time_ns / 1e9, time));
	add_text(object, "client", name_address(event->address, address));
	add_number(object, "port", event->port);
	add_text(object, "program", name_program(event, program));
	add_text(object, "procedure", name_procedure(event, name));
	if (event->nr_ops)
		add_operations(object, event);
	add_numbers(object, event);
	print_object(object);
}

static void json_lost(uint64_t nr)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "lost", nr);
	print_object(object);
}

static int json_end(uint64_t shown, uint64_t lost, struct fault *fault)
{
	(void)shown;
	(void)lost;
	(void)fault;
	return FAULT_NONE;
}

const struct output output_json = {
	.event = json_event,
	.lost = json_lost,
	.end = json_end,
};
