/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: Ganesha's own parser reads the RPCBUF block of ganesha.conf. An unknown
 * parameter or a value out of range stops the server with a line that says what
 * and where; valid values, and defaults, arrive in the configuration.
 *
 * Method: servers with one block each. For a block that must be refused, the
 * server's exit status and its log; for a valid one, the values in the plug-in
 * once its export exists.
 */
#include <rpcbuf/engine.h>
#include <unistd.h>

#include "fsal/fsal_rpcbuf.h"
#include "host.h"

#define STRING(x)	 #x
#define STRING_OF(macro) STRING(macro)
#define HERE		 "ganesha.conf:" STRING_OF(HOST_RPCBUF_LINE)
#define STOPS		 "RPCBUF block is not valid"
#define PAGES		 "is not a multiple of a page, 4096 bytes"

static const struct {
	const char *block;
	const char *sentences[2];
} refused[] = {
	/* The parser's own complaints, with the line of the parameter. */
	{ "Colour = 3;", { HERE "): Unknown parameter (Colour)", STOPS } },
	{ "Memory = 1048575;", { HERE "): (1048575) is out of range", STOPS } },
	{ "Memory = 0;", { HERE "): (0) is out of range", STOPS } },
	{ "Memory = 1099511627777;", { HERE "): (1099511627777) is out", STOPS } },
	{ "Memory = much;", { HERE "): Expected a number", STOPS } },
	{ "Max_Payload = 65535;", { HERE "): (65535) is out of range", STOPS } },
	{ "Max_Payload = 4194305;", { HERE "): (4194305) is out", STOPS } },
	{ "Max_Fragments = 0;", { HERE "): (0) is out of range", STOPS } },
	{ "Receive_Threads = 65;", { HERE "): (65) is out of range", STOPS } },
	{ "Max_Threads = 0;", { HERE "): (0) is out of range", STOPS } },
	{ "Read_Ahead = 4095;", { HERE "): (4095) is out of range", STOPS } },
	{ "Idle_Timeout = 604801;", { HERE "): (604801) is out", STOPS } },
	{ "Batch_Calls = 0;", { HERE "): (0) is out of range", STOPS } },
	{ "Long_Call = 1000001;", { HERE "): (1000001) is out", STOPS } },
	{ "Handover = 99;", { HERE "): (99) is out", STOPS } },
	{ "Spin = 1001;", { HERE "): (1001) is out", STOPS } },
	{ "Record_Timeout = 0;", { HERE "): (0) is out of range", STOPS } },
	{ "Least_Rate = 1048577;", { HERE "): (1048577) is out", STOPS } },
	{ "Max_Unsent = 1099511627777;", { HERE "): (1099511627777)", STOPS } },
	{ "Max_Partial = 1099511627777;", { HERE "): (10995116", STOPS } },
	{ "Max_Partial_Connection = 8388609;", { HERE "): (8388609)", STOPS } },
	{ "Max_Calls = 0;", { HERE "): (0) is out of range", STOPS } },
	{ "Max_Connections = 1048577;", { HERE "): (1048577) is out", STOPS } },
	{ "Engine = fast;", { HERE "): Unknown token (fast)", STOPS } },
	{ "Keep_Awake = yes;", { HERE "): Unknown token (yes)", STOPS } },
	{ "Local_Congestion = bbr;", { HERE "): Unknown token (bbr)", STOPS } },
	{ "} RPCBUF {", { HERE "): Only one RPCBUF block allowed", STOPS } },
	/* The plug-in's, over several parameters or outside of a range. */
	{ "Max_Payload = 65537;", { "Max_Payload = 65537 " PAGES, STOPS } },
	{ "Read_Ahead = 4097;", { "Read_Ahead = 4097 " PAGES, STOPS } },
	{ "Max_Partial_Connection = 5000;",
	  { "Max_Partial_Connection = 5000 " PAGES, STOPS } },
	{ "Memory = 2097152; Max_Payload = 2097152;",
	  { "Memory = 2097152 is less than three page vectors, 6328320 "
	    "bytes for Max_Payload = 2097152",
	    STOPS } },
	{ "Statistics = \"here\";",
	  { "Statistics = \"here\" is not an absolute path", STOPS } },
};

static int failures;

static void expect(const char *name, uint64_t value, uint64_t expected)
{
	if (value == expected)
		return;
	fprintf(stderr, "%s is %lu, not %lu\n", name, (unsigned long)value,
		(unsigned long)expected);
	failures++;
}

static const struct fsal_rpcbuf_config *config_of(struct host *h)
{
	return &container_of(h->ours->fsal, struct fsal_rpcbuf_module, fsal)
			->config;
}

static int values_arrive(struct host *h)
{
	const struct fsal_rpcbuf_config *cfg = config_of(h);

	expect("Memory", cfg->memory, 33554432);
	expect("Max_Payload", cfg->max_payload, 131072);
	expect("Max_Fragments", cfg->max_fragments, 17);
	expect("Receive_Threads", cfg->receive_threads, 3);
	expect("Max_Threads", cfg->max_threads, 9);
	expect("Read_Ahead", cfg->read_ahead, 8192);
	expect("Batch_Calls", cfg->batch_calls, 2);
	expect("Long_Call", cfg->long_call, 7);
	expect("Handover", cfg->handover, 200);
	expect("Spin", cfg->spin, 0);
	expect("Idle_Timeout", cfg->idle_timeout, 77);
	expect("Record_Timeout", cfg->record_timeout, 5);
	expect("Least_Rate", cfg->least_rate, 0);
	expect("Max_Unsent", cfg->max_unsent, 0);
	expect("Max_Partial", cfg->max_partial, 1000000);
	expect("Max_Partial_Connection", cfg->max_partial_connection, 65536);
	expect("Max_Receiving", cfg->max_receiving, 99);
	expect("Max_Calls", cfg->max_calls, 11);
	expect("Max_Connections", cfg->max_connections, 12);
	expect("Engine", cfg->engine, RPCBUF_BACKEND_EPOLL);
	expect("Local_Congestion is given", cfg->local_congestion != 0, true);
	expect("Keep_Awake is given", cfg->keep_awake != 0, true);
	expect("Statistics is the path",
	       cfg->statistics && strcmp(cfg->statistics, "/tmp/s") == 0, true);
	return failures;
}

static int defaults_arrive(struct host *h)
{
	const struct fsal_rpcbuf_config *cfg = config_of(h);
	uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) *
		       (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t least = 64 << 20;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	expect("Memory", cfg->memory, ram / 8 > least ? ram / 8 : least);
	expect("Max_Payload", cfg->max_payload, 1 << 20);
	expect("Max_Fragments", cfg->max_fragments, 65536);
	expect("Receive_Threads", cfg->receive_threads, cpus < 64 ? cpus : 64);
	expect("Max_Threads", cfg->max_threads, 256);
	expect("Read_Ahead", cfg->read_ahead, 256 << 10);
	expect("Batch_Calls", cfg->batch_calls, 8);
	expect("Long_Call", cfg->long_call, 40);
	expect("Handover", cfg->handover, 500);
	expect("Spin", cfg->spin, 50);
	/* Ganesha's default of RPC_Idle_Timeout_S. Not read from nfs_param: a
	 * program that names the server's data gets its own copy, which the
	 * plug-in does not see. */
	expect("Idle_Timeout", cfg->idle_timeout, 300);
	expect("Record_Timeout", cfg->record_timeout, 60);
	expect("Least_Rate", cfg->least_rate, 1024);
	expect("Max_Unsent", cfg->max_unsent, 1 << 20);
	expect("Max_Partial", cfg->max_partial, 0);
	expect("Max_Partial_Connection", cfg->max_partial_connection, 0);
	expect("Max_Receiving", cfg->max_receiving, 4 << 20);
	expect("Max_Calls", cfg->max_calls, 128);
	expect("Max_Connections", cfg->max_connections, 0);
	expect("Engine", cfg->engine, RPCBUF_BACKEND_AUTO);
	expect("Local_Congestion is not given", cfg->local_congestion, 0);
	expect("Keep_Awake is not given", cfg->keep_awake, 0);
	expect("Statistics is left open", cfg->statistics == NULL, true);
	return failures;
}

int main(void)
{
	static const struct host_case valid[] = {
		{ .sub = "MEM",
		  .path = "/mem",
		  .rpcbuf = "Memory = 33554432; Max_Payload = 131072; "
			    "Max_Fragments = 17; Receive_Threads = 3; "
			    "Max_Threads = 9; Read_Ahead = 8192; "
			    "Batch_Calls = 2; Long_Call = 7; "
			    "Handover = 200; Spin = 0; "
			    "Idle_Timeout = 77; Record_Timeout = 5; "
			    "Least_Rate = 0; "
			    "Max_Unsent = 0; Max_Partial = 1000000; "
			    "Max_Partial_Connection = 65536; "
			    "Max_Receiving = 99; "
			    "Max_Calls = 11; Max_Connections = 12; "
			    "Local_Congestion = reno; Keep_Awake = always; "
			    "Engine = epoll; Statistics = \"/tmp/s\";",
		  .body = values_arrive },
		{ .sub = "MEM", .path = "/mem", .body = defaults_arrive },
	};
	size_t nr = sizeof(refused) / sizeof(*refused);
	int failed = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct host_case c = { .sub = "MEM",
					     .path = "/mem",
					     .rpcbuf = refused[i].block };

		failed += host_refuses(&c, refused[i].sentences, 2);
	}
	failed += host_run(&valid[0]) + host_run(&valid[1]);
	printf("%zu blocks refused, 2 accepted, %d failures\n", nr, failed);
	return failed != 0;
}
