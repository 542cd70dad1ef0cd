/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Writes the Common Trace Format with libbabeltrace2: a source component, whose
 * messages are the calls, connected to the library's file system sink.
 *
 * The time of an event is the end of its call, because events arrive nearly in
 * that order; a field has the time of arrival.  One pass over the ring makes a
 * packet; lost calls are reported between packets.
 */
#include <babeltrace2/babeltrace.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "output.h"

#define QUEUE 4096

/* Numbers of an event, in the order of the fields; strings follow. */
static const struct {
	const char *name;
	size_t offset, size;
} fields[] = {
#define FIELD(name)                                              \
	{                                                        \
#name, offsetof(struct rpcbuf_event, name),      \
			sizeof(((struct rpcbuf_event *)0)->name) \
	}
	FIELD(port),	       FIELD(xid),	    FIELD(bytes),
	FIELD(fragments),      FIELD(pages),	    FIELD(filled),
	FIELD(reused),	       FIELD(runs),	    FIELD(bulk_calls),
	FIELD(receives),       FIELD(in_place),	    FIELD(copied),
	FIELD(thread),	       FIELD(copied_bytes), FIELD(wait_ns),
	FIELD(fill_ns),	       FIELD(receive_ns),   FIELD(reply_ns),
	FIELD(nr_ops),	       FIELD(reply_bytes),  FIELD(reply_pages),
	FIELD(reply_reserved),
#undef FIELD
};
#define NR_FIELDS (sizeof(fields) / sizeof(*fields))
static const char *const texts[] = {"client", "program", "procedure",
				    "operations"};
#define NR_TEXTS (sizeof(texts) / sizeof(*texts))

static struct {
	bt_graph *graph;
	bt_stream_class *stream_class;
	bt_event_class *event_class;
	bt_trace *trace;
	bt_stream *stream;
	bt_packet *packet; /* the open packet */
	const char *program;
	int pid;
	struct {
		struct rpcbuf_event event;
		uint64_t time_ns;
	} queue[QUEUE];
	unsigned int queued, taken;
	uint64_t lost;	  /* calls to report as lost */
	uint64_t last_ns; /* time of the last message; time must not go back */
	bool begun, ending, ended;
	bool empty; /* the next packet */
} ctf;

static bt_component_class_initialize_method_status
describe(bt_self_component *self)
{
	bt_trace_class *trace_class = bt_trace_class_create(self);
	bt_clock_class *clock = bt_clock_class_create(self);
	bt_field_class *payload = bt_field_class_structure_create(trace_class);

	bt_clock_class_set_name(clock, "realtime");
	ctf.stream_class = bt_stream_class_create(trace_class);
	bt_stream_class_set_default_clock_class(ctf.stream_class, clock);
	bt_stream_class_set_supports_packets(ctf.stream_class, BT_TRUE, BT_TRUE,
					     BT_TRUE);
	bt_stream_class_set_supports_discarded_events(ctf.stream_class, BT_TRUE,
						      BT_TRUE);
	for (size_t i = 0; i < NR_FIELDS + 1; i++) {
		bt_field_class *number =
			bt_field_class_integer_unsigned_create(trace_class);

		bt_field_class_structure_append_member(
			payload,
			i < NR_FIELDS ? fields[i].name : "received_at_ns",
			number);
		bt_field_class_put_ref(number);
	}
	for (size_t i = 0; i < NR_TEXTS; i++) {
		bt_field_class *text =
			bt_field_class_string_create(trace_class);

		bt_field_class_structure_append_member(payload, texts[i], text);
		bt_field_class_put_ref(text);
	}
	ctf.event_class = bt_event_class_create(ctf.stream_class);
	bt_event_class_set_name(ctf.event_class, "rpcbuf_call");
	bt_event_class_set_payload_field_class(ctf.event_class, payload);
	ctf.trace = bt_trace_create(trace_class);
	bt_trace_set_environment_entry_string(ctf.trace, "tracer_name",
					      "rpcbuf-trace");
	bt_trace_set_environment_entry_string(ctf.trace, "program",
					      ctf.program);
	bt_trace_set_environment_entry_integer(ctf.trace, "pid", ctf.pid);
	ctf.stream = bt_stream_create(ctf.stream_class, ctf.trace);
	bt_field_class_put_ref(payload);
	bt_clock_class_put_ref(clock);
	bt_trace_class_put_ref(trace_class);
	return ctf.stream
		       ? BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_OK
		       : BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_MEMORY_ERROR;
}

static bt_component_class_initialize_method_status
source_initialize(bt_self_component_source *self,
		  bt_self_component_source_configuration *configuration,
		  const bt_value *params, void *data)
{
	(void)configuration;
	(void)params;
	(void)data;
	if (bt_self_component_source_add_output_port(self, "out", NULL, NULL))
		return BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_ERROR;
	return describe(bt_self_component_source_as_self_component(self));
}

static uint64_t number_of(const struct rpcbuf_event *event, size_t i)
{
	uint64_t number = 0;

	switch (fields[i].size) {
	case 1:
		return *((const uint8_t *)event + fields[i].offset);
	case 2:
		return *(const uint16_t *)(const void *)((const char *)event +
							 fields[i].offset);
	case 4:
		return *(const uint32_t *)(const void *)((const char *)event +
							 fields[i].offset);
	default:
		memcpy(&number, (const char *)event + fields[i].offset,
		       sizeof(number));
		return number;
	}
}

static void name_operations(const struct rpcbuf_event *event, char *out,
			    size_t size)
{
	size_t at = 0;
	char name[NAME_LENGTH];

	out[0] = '\0';
	for (unsigned int i = 0; i < name_nr_operations(event); i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s",
				       i ? " " : "",
				       name_operation(event->ops[i], name));
}

static void fill_payload(bt_field *payload, const struct rpcbuf_event *event,
			 uint64_t time_ns)
{
	char address[ADDRESS_LENGTH], program[NAME_LENGTH], name[NAME_LENGTH];
	char operations[RPCBUF_EVENT_OPS * NAME_LENGTH];
	const char *values[NR_TEXTS] = {
		name_address(event->address, address),
		name_program(event, program),
		name_procedure(event, name),
		operations,
	};
	uint64_t i = 0;

	name_operations(event, operations, sizeof(operations));
	for (; i < NR_FIELDS + 1; i++)
		bt_field_integer_unsigned_set_value(
			bt_field_structure_borrow_member_field_by_index(payload,
									i),
			i < NR_FIELDS ? number_of(event, i) : time_ns);
	for (size_t j = 0; j < NR_TEXTS; j++)
		bt_field_string_set_value(
			bt_field_structure_borrow_member_field_by_index(payload,
									i + j),
			values[j]);
}

static bt_message *begin_packet(bt_self_message_iterator *self,
				uint64_t time_ns)
{
	ctf.packet = bt_packet_create(ctf.stream);
	return bt_message_packet_beginning_create_with_default_clock_snapshot(
		self, ctf.packet, time_ns);
}

static bt_message *end_packet(bt_self_message_iterator *self)
{
	bt_message *message =
		bt_message_packet_end_create_with_default_clock_snapshot(
			self, ctf.packet, ctf.last_ns);

	bt_packet_put_ref(ctf.packet);
	ctf.packet = NULL;
	return message;
}

static uint64_t done_ns(unsigned int i)
{
	uint64_t time = ctf.queue[i].time_ns + ctf.queue[i].event.reply_ns;

	return time > ctf.last_ns ? time : ctf.last_ns;
}

/* End of the next packet, which takes all queued events. */
static uint64_t packet_end_ns(void)
{
	uint64_t end = ctf.last_ns;

	for (unsigned int i = ctf.taken; i < ctf.queued; i++)
		if (done_ns(i) > end)
			end = done_ns(i);
	return end;
}

/* The format's interval for lost events: from the end of the last packet to the
 * end of the next. */
static bt_message *say_lost(bt_self_message_iterator *self)
{
	bt_message *message =
		bt_message_discarded_events_create_with_default_clock_snapshots(
			self, ctf.stream, ctf.last_ns, packet_end_ns());

	if (message)
		bt_message_discarded_events_set_count(message, ctf.lost);
	ctf.lost = 0;
	return message;
}

/* Creates the next message; NULL: none is due. */
static bt_message *next_message(bt_self_message_iterator *self)
{
	bt_message *message;
	uint64_t time_ns;

	if (!ctf.begun) {
		ctf.begun = true;
		return bt_message_stream_beginning_create(self, ctf.stream);
	}
	if (ctf.taken == ctf.queued) {
		if (ctf.packet)
			return end_packet(self);
		if (ctf.empty) {
			ctf.empty = false;
			return begin_packet(self, ctf.last_ns);
		}
		/* Losses after the last call need an empty packet. */
		if (ctf.ending && ctf.lost && ctf.last_ns) {
			ctf.empty = true;
			return say_lost(self);
		}
		if (!ctf.ending || ctf.ended)
			return NULL;
		ctf.ended = true;
		return bt_message_stream_end_create(self, ctf.stream);
	}
	time_ns = done_ns(ctf.taken);
	/* Losses before the first packet cannot be reported. */
	if (!ctf.packet && ctf.lost && ctf.last_ns)
		return say_lost(self);
	if (!ctf.packet)
		return begin_packet(self, time_ns);
	message =
		bt_message_event_create_with_packet_and_default_clock_snapshot(
			self, ctf.event_class, ctf.packet, time_ns);
	if (message)
		fill_payload(bt_event_borrow_payload_field(
				     bt_message_event_borrow_event(message)),
			     &ctf.queue[ctf.taken].event,
			     ctf.queue[ctf.taken].time_ns);
	ctf.last_ns = time_ns;
	ctf.taken++;
	return message;
}

static bt_message_iterator_class_next_method_status
source_next(bt_self_message_iterator *self, bt_message_array_const messages,
	    uint64_t capacity, uint64_t *count)
{
	*count = 0;
	while (*count < capacity) {
		bt_message *message = next_message(self);

		if (!message)
			break;
		messages[(*count)++] = message;
	}
	if (*count)
		return BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_OK;
	return ctf.ended ? BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_END
			 : BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_AGAIN;
}

static bool add_source(const bt_component_source **source)
{
	bt_message_iterator_class *iterator =
		bt_message_iterator_class_create(source_next);
	bt_component_class_source *class =
		bt_component_class_source_create("calls", iterator);
	bool good;

	bt_component_class_source_set_initialize_method(class,
							source_initialize);
	good = bt_graph_add_source_component(ctf.graph, class, "calls", NULL,
					     BT_LOGGING_LEVEL_NONE,
					     source) == 0;
	bt_message_iterator_class_put_ref(iterator);
	bt_component_class_source_put_ref(class);
	return good;
}

static bool add_sink(const char *path, const bt_component_sink **sink)
{
	const bt_component_class_sink *class;
	const bt_plugin *plugin = NULL;
	bt_value *params;
	bool good;

	if (bt_plugin_find("ctf", BT_TRUE, BT_TRUE, BT_TRUE, BT_TRUE, BT_FALSE,
			   &plugin))
		return false;
	class = bt_plugin_borrow_sink_component_class_by_name_const(plugin,
								    "fs");
	params = bt_value_map_create();
	bt_value_map_insert_string_entry(params, "path", path);
	bt_value_map_insert_bool_entry(params, "assume-single-trace", BT_TRUE);
	bt_value_map_insert_bool_entry(params, "quiet", BT_TRUE);
	good = class &&
	       bt_graph_add_sink_component(ctf.graph, class, "trace", params,
					   BT_LOGGING_LEVEL_NONE, sink) == 0;
	bt_value_put_ref(params);
	bt_plugin_put_ref(plugin);
	return good;
}

static bool build(const char *path)
{
	const bt_component_source *source;
	const bt_component_sink *sink;

	ctf.graph = bt_graph_create(0);
	return ctf.graph && add_source(&source) && add_sink(path, &sink) &&
	       bt_graph_connect_ports(
		       ctf.graph,
		       bt_component_source_borrow_output_port_by_index_const(
			       source, 0),
		       bt_component_sink_borrow_input_port_by_index_const(sink,
									  0),
		       NULL) == 0;
}

static const char *trace_path;

static int ctf_failed(struct fault *fault, const char *why)
{
	return fault_set(fault, FAULT_OUTPUT, "%s cannot be written: %s",
			 trace_path, why);
}

/* A trace goes into an empty folder only. */
static bool is_taken(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool taken = !dir && errno != ENOENT;

	while (dir && !taken && (entry = readdir(dir)))
		taken = strcmp(entry->d_name, ".") &&
			strcmp(entry->d_name, "..");
	if (dir)
		closedir(dir);
	return taken;
}

static int ctf_begin(const struct server *server, const char *path,
		     struct fault *fault)
{
	trace_path = path;
	ctf.program = server->header->program;
	ctf.pid = (int)server->pid;
	if (is_taken(path))
		return ctf_failed(fault,
				  "it exists, and is not an empty folder");
	if (!build(path))
		return ctf_failed(fault,
				  "libbabeltrace2 has no plug-in for this");
	return FAULT_NONE;
}

/* Runs the graph until the queue is empty. */
static int run_graph(struct fault *fault)
{
	for (;;) {
		bt_graph_run_once_status status = bt_graph_run_once(ctf.graph);

		if (status == BT_GRAPH_RUN_ONCE_STATUS_AGAIN ||
		    status == BT_GRAPH_RUN_ONCE_STATUS_END)
			break;
		if (status != BT_GRAPH_RUN_ONCE_STATUS_OK)
			return ctf_failed(fault, "libbabeltrace2 failed");
	}
	ctf.queued = 0;
	ctf.taken = 0;
	return FAULT_NONE;
}

static bool broken;

static void queue_event(const struct rpcbuf_event *event, uint64_t time_ns)
{
	struct fault ignored; /* ctf_flush() reports the error */

	if (ctf.queued == QUEUE && !broken)
		broken = run_graph(&ignored) != FAULT_NONE;
	if (broken)
		return;
	ctf.queue[ctf.queued].event = *event;
	ctf.queue[ctf.queued++].time_ns = time_ns;
}

/* End the packet: losses belong between packets. */
static void count_lost(uint64_t nr)
{
	struct fault ignored;

	if (ctf.queued && !broken)
		broken = run_graph(&ignored) != FAULT_NONE;
	ctf.lost += nr;
}

static int ctf_flush(struct fault *fault)
{
	if (broken)
		return ctf_failed(fault, "libbabeltrace2 failed");
	return run_graph(fault);
}

static int ctf_end(uint64_t shown, uint64_t lost, struct fault *fault)
{
	int status;

	(void)shown;
	(void)lost;
	ctf.ending = true;
	status = ctf_flush(fault);
	bt_graph_put_ref(ctf.graph);
	bt_stream_put_ref(ctf.stream);
	bt_trace_put_ref(ctf.trace);
	bt_event_class_put_ref(ctf.event_class);
	bt_stream_class_put_ref(ctf.stream_class);
	return status;
}

const struct output output_ctf = {
	.begin = ctf_begin,
	.event = queue_event,
	.lost = count_lost,
	.flush = ctf_flush,
	.end = ctf_end,
};
