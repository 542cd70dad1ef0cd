/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: Ganesha's own parser reads the RPCBUF block of ganesha.conf. An unknown
 * parameter or a value out of range stops the server with a line that says what
 * and where; valid values, and defaults, arrive in the configuration. The block
 * takes the parameters of its Tuning block as well, but not in both places.
 *
 * Method: servers with one block each. For a block that must be refused, the
 * server's exit status and its log; for a valid one, the values in the plug-in
 * once its export exists. Values and limits of each parameter are made from
 * rpcbuf/tbl/options.def.
 */
#include <rpcbuf/engine.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fsal/fsal_rpcbuf.h"
#include "host.h"

#define STRING(x)	 #x
#define STRING_OF(macro) STRING(macro)
#define HERE		 "ganesha.conf:" STRING_OF(HOST_RPCBUF_LINE)
#define STOPS		 "RPCBUF block is not valid"
#define PAGES_ONLY	 "is not a multiple of a page, 4096 bytes"

static const struct {
	const char *block;
	const char *sentences[2];
} refused[] = {
	/* The parser's own complaints, with the line of the parameter. */
	{"Colour = 3;", {HERE "): Unknown parameter (Colour)", STOPS}},
	{"Memory = 0;", {HERE "): (0) is out of range", STOPS}},
	{"Memory = much;", {HERE "): Expected a number", STOPS}},
	{"Engine = fast;", {HERE "): Unknown token (fast)", STOPS}},
	{"Keep_Awake = yes;", {HERE "): Unknown token (yes)", STOPS}},
	{"Local_Congestion = bbr;", {HERE "): Unknown token (bbr)", STOPS}},
	{"} RPCBUF {", {HERE "): Only one RPCBUF block allowed", STOPS}},
	{"Tuning { Colour = 3; }",
	 {HERE "): Unknown parameter (Colour)", STOPS}},
	{"Tuning { Memory = 33554432; }",
	 {HERE "): Unknown parameter (Memory)", STOPS}},
	{"Tuning { Spin = 1; } Tuning { Handover = 200; }",
	 {HERE "): Parameter Tuning set more than once", STOPS}},
	{"Tuning = 3;", {HERE "): Tuning is not a block!", STOPS}},
	/* The plug-in's, over several parameters or outside of a range. */
	{"Max_Payload = 65537;", {"Max_Payload = 65537 " PAGES_ONLY, STOPS}},
	{"Read_Ahead = 4097;", {"Read_Ahead = 4097 " PAGES_ONLY, STOPS}},
	{"Tuning { Read_Ahead = 4097; }",
	 {"Read_Ahead = 4097 " PAGES_ONLY, STOPS}},
	{"Max_Partial_Connection = 5000;",
	 {"Max_Partial_Connection = 5000 " PAGES_ONLY, STOPS}},
	{"Memory = 2097152; Max_Payload = 2097152;",
	 {"Memory = 2097152 is less than three page vectors, 6328320 "
	  "bytes for Max_Payload = 2097152",
	  STOPS}},
	{"Statistics = \"here\";",
	 {"Statistics = \"here\" is not an absolute path", STOPS}},
	{"Spin = 1; Tuning { Spin = 1; }",
	 {"RPCBUF block: Spin stands in the RPCBUF block and in its Tuning { } "
	  "block: leave only the second",
	  STOPS}},
};

/*
 * All parameters that are numbers:
 * EACH(where it is kept, place, Name, least, most, default, ...)
 */
#define NUMBERS_NUMBER(...)  EACH(__VA_ARGS__)
#define NUMBERS_BYTES(...)   EACH(__VA_ARGS__)
#define NUMBERS_PAGES(...)   EACH(__VA_ARGS__)
#define NUMBERS_US(...)	     EACH(__VA_ARGS__)
#define NUMBERS_SECONDS(...) EACH(__VA_ARGS__)
#define NUMBERS_RATE(...)    EACH(__VA_ARGS__)
#define NUMBERS_BACKEND(...)
#define NUMBERS_PATH(...)
#define PLACED_USER(unit, ...)	 NUMBERS_##unit(__VA_ARGS__)
#define PLACED_TUNING(unit, ...) NUMBERS_##unit(__VA_ARGS__)
#define PLACED_NONE(...)
#define LIMIT(type, member, l, m, i, place, Name, unit, ...) \
	PLACED_##place(unit, engine.limits.member, place, Name, __VA_ARGS__, -)
#define OPTION(type, member, l, m, i, place, Name, unit, ...) \
	PLACED_##place(unit, engine.member, place, Name, __VA_ARGS__, -)
#define SERVER(type, member, place, Name, unit, ...) \
	PLACED_##place(unit, member, place, Name, __VA_ARGS__, -)
#define EACH_NUMBER                   \
	RPCBUF_SERVER_OPTIONS(SERVER) \
	RPCBUF_LIMIT_OPTIONS(LIMIT)   \
	RPCBUF_ENGINE_OPTIONS(OPTION)

enum place {
	USER,
	TUNING
};

/* A block, a line for each parameter, and the sentences about them. */
static struct {
	char text[2][4096]; /* by place */
	size_t at[2];
	int lines[2];
	char sentences[64][80];
	const char *wanted[64];
	int nr;
} made;

static void start_block(void)
{
	memset(&made, 0, sizeof(made));
}

static void line_of(enum place place, const char *name, uint64_t value)
{
	made.at[place] +=
		(size_t)snprintf(made.text[place] + made.at[place],
				 sizeof(made.text[place]) - made.at[place],
				 "%s = %lu;\n", name, (unsigned long)value);
	made.lines[place]++;
}

/* The Tuning block behind the others, or @flat: without it. */
static const char *block_text(bool flat, const char *more)
{
	static char text[9000];

	snprintf(text, sizeof(text), "%s%s%s\n%s%s", made.text[USER], more,
		 flat ? "" : " Tuning {", made.text[TUNING], flat ? "" : "}");
	return text;
}

/* Lines of the users' block come first, then that of `Tuning {`. */
static void want(enum place place, uint64_t value, int before)
{
	int line = HOST_RPCBUF_LINE + made.lines[place] - 1 +
		   (place == TUNING ? before : 0);
	char *sentence = made.sentences[made.nr];

	snprintf(sentence, sizeof(made.sentences[0]),
		 "ganesha.conf:%d): (%lu) is out of range", line,
		 (unsigned long)value);
	made.wanted[made.nr++] = sentence;
}

/* Each parameter out of its range, in one block: below it, or above. */
static int refuses_ranges(bool above, bool flat)
{
	struct host_case c = {.sub = "MEM", .path = "/mem"};
	int users = 0;

	start_block();
#define EACH(kept, place, Name, least, most, ...) \
	users += place == USER && (above || (least) != 0);
	EACH_NUMBER
#undef EACH
#define EACH(kept, place, Name, least, most, ...)             \
	if (above || (least) != 0) {                          \
		uint64_t value = above ? (most) + UINT64_C(1) \
				       : (least)-UINT64_C(1); \
		line_of(place, #Name, value);                 \
		want(place, value, users + 1);                \
	}
	EACH_NUMBER
#undef EACH
	c.rpcbuf = block_text(flat, "");
	return host_refuses(&c, made.wanted, made.nr);
}

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

/* A value that is not the default, and that all checks take. */
static uint64_t other_than(uint64_t least, uint64_t most, uint64_t initial)
{
	uint64_t value = initial ? initial / 2 : (least ? least * 32 : 4096);

	return value < most ? value : most;
}

static int values_arrive(struct host *h)
{
	const struct fsal_rpcbuf_config *cfg = config_of(h);

#define EACH(kept, place, Name, least, most, initial, ...) \
	expect(#Name, cfg->kept, other_than(least, most, initial));
	EACH_NUMBER
#undef EACH
	expect("Engine", cfg->engine.backend, RPCBUF_BACKEND_EPOLL);
	expect("Statistics is the path",
	       cfg->statistics && strcmp(cfg->statistics, "/tmp/s") == 0, true);
	return failures;
}

static int accepts_values(bool flat)
{
	struct host_case c = {
		.sub = "MEM", .path = "/mem", .body = values_arrive};

	start_block();
#define EACH(kept, place, Name, least, most, initial, ...) \
	line_of(place, #Name, other_than(least, most, initial));
	EACH_NUMBER
#undef EACH
	c.rpcbuf = block_text(flat, "Local_Congestion = reno; "
				    "Keep_Awake = always; Engine = epoll; "
				    "Statistics = \"/tmp/s\";");
	return host_run(&c);
}

/* What the machine chooses; Ganesha's default of RPC_Idle_Timeout_S is not read
 * from nfs_param: a program that names the server's data gets a copy of its own,
 * which the plug-in would not see. */
static int defaults_arrive(struct host *h)
{
	const struct fsal_rpcbuf_config *cfg = config_of(h);
	uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) *
		       (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t least = 64 << 20;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	expect("Memory", cfg->memory, ram / 8 > least ? ram / 8 : least);
	expect("Receive_Threads", cfg->engine.receivers, cpus < 64 ? cpus : 64);
	expect("Idle_Timeout", cfg->engine.idle_timeout, 300);
	expect("Max_Connections", cfg->engine.max_connections,
	       files.rlim_cur < UINT32_MAX ? files.rlim_cur / 2 : 0);
#define EACH(kept, place, Name, least, most, initial, ...) \
	if ((initial) || place == TUNING)                  \
		expect(#Name, cfg->kept, initial);
	EACH_NUMBER
#undef EACH
	expect("Engine", cfg->engine.backend, RPCBUF_BACKEND_AUTO);
	expect("Statistics is left open", cfg->statistics == NULL, true);
	return failures;
}

/* The others keep their defaults. */
static int spin_arrives(struct host *h)
{
	const struct fsal_rpcbuf_config *cfg = config_of(h);

	expect("Spin", cfg->engine.spin_us, 7);
	expect("Handover", cfg->engine.handover_us, 500);
	expect("Max_Receiving", cfg->engine.max_receiving, 4 << 20);
	expect("Max_Fragments", cfg->engine.limits.max_fragments, 65536);
	return failures;
}

int main(void)
{
	static const struct host_case valid[] = {
		{.sub = "MEM", .path = "/mem", .body = defaults_arrive},
		{.sub = "MEM",
		 .path = "/mem",
		 .rpcbuf = "Tuning { Spin = 7; }",
		 .body = spin_arrives},
		{.sub = "MEM",
		 .path = "/mem",
		 .rpcbuf = "Spin = 7; Tuning { Handover = 500; }",
		 .body = spin_arrives},
	};
	size_t nr = sizeof(refused) / sizeof(*refused);
	int failed = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct host_case c = {.sub = "MEM",
					    .path = "/mem",
					    .rpcbuf = refused[i].block};

		failed += host_refuses(&c, refused[i].sentences, 2);
	}
	for (size_t i = 0; i < sizeof(valid) / sizeof(*valid); i++)
		failed += host_run(&valid[i]);
	for (int flat = 0; flat < 2; flat++) {
		failed += refuses_ranges(true, flat);
		failed += refuses_ranges(false, flat);
		failed += accepts_values(flat);
	}
	printf("%zu blocks and 4 of values out of range refused, 5 accepted, %d failures\n",
	       nr, failed);
	return failed != 0;
}
