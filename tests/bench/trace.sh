#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a trace of 100,000 calls a second loses none, and costs the server
# little.
# Method: a program that writes so many events is traced in each form, for
# RPCBUF_BENCH_SECONDS (default 5); then READs of 4 KiB at depth 16 for as long,
# on one server, alternately without and with a trace, RPCBUF_BENCH_REPEAT
# (default 5) times; CPU of the server per call, medians.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

REPEAT=${RPCBUF_BENCH_REPEAT:-5}
SECONDS_EACH=${RPCBUF_BENCH_SECONDS:-5}
RATE=100000
TRACE=$RPCBUF_BUILD/tools/rpcbuf-trace

# trace_writer FORM ARGUMENT…
trace_writer() {
	local form=$1 writer status=0
	shift
	mkdir "$T/segments.$form"
	"$RPCBUF_BUILD/tests/bench/event_writer" "$T/segments.$form" "$RATE" "$SECONDS_EACH" >"$T/written" &
	writer=$!
	wait_for "the writer" compgen -G "$T/segments.$form/rpcbuf-*" >/dev/null
	TIMEFORMAT='%U %S'
	{ time "$TRACE" --folder "$T/segments.$form" "$@" >"$T/out" 2>"$T/said" || status=$?; } 2>"$T/time"
	wait "$writer"
	((status == 10)) || fail "trace: $(<"$T/said")"
	printf '%-6s %9d written, %6d lost, CPU of the tracer %3d%%\n' "$form" "$(<"$T/written")" \
		"$(awk '/calls were lost/ { print $2; n++ } END { if (!n) print 0 }' "$T/said")" \
		"$(awk -v s="$SECONDS_EACH" '{ print int(100 * ($1 + $2) / s) }' "$T/time")"
	rm -rf "$T/out" "$T/ctf.d" "$T/segments.$form"
}

# The server's CPU so far, in ticks of 10 ms.
cpu_ticks() {
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$SERVER/stat"
}

# measure NAME: microseconds of CPU for a call, to the results
measure() {
	local before calls
	before=$(cpu_ticks)
	calls=$("$RPCBUF_BUILD/tests/bench/slow_call" "$PORT" "$MOUNT_PORT" "$EXPORT" \
		file 16 "$SECONDS_EACH" 0 | awk '{ print $1 }')
	awk -v ticks=$(($(cpu_ticks) - before)) -v calls="$calls" -v s="$SECONDS_EACH" \
		'BEGIN { print ticks * 10000 / (calls * s), calls }' >>"$T/results.$1"
}

printf '\n%d events a second for %d s\n' "$RATE" "$SECONDS_EACH"
trace_writer text
trace_writer json --json
trace_writer hist --hist
trace_writer ctf --ctf "$T/ctf.d"

server_start
truncate -s 1M "$EXPORT/file"
for ((run = 0; run < REPEAT; run++)); do
	measure alone
	"$TRACE" --pid "$SERVER" --hist >"$T/out" 2>"$T/said" &
	tracer=$!
	wait_for "the trace" grep -q tracing "$T/said"
	measure traced
	kill "$tracer"
	wait "$tracer"
done
printf '\nLOCAL (loopback device): READs of 4 KiB at depth 16, medians of %d runs of %d s\n' "$REPEAT" "$SECONDS_EACH"
for name in alone traced; do
	printf '%-7s %6.2f us of CPU of the server for a call, %7d calls/s\n' "$name" \
		"$(median "$T/results.$name" F1)" "$(median "$T/results.$name" F2)"
done
server_stop
