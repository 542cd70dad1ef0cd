#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: an export whose file system hangs takes neither all threads nor the
# connections of its clients: however many calls go into it, other exports are
# served, also for the same clients.
# Method: two exports over FSAL SLOW, and hung_calls (see its comment): 300
# reads of one hang until calls into the other are answered, so order decides,
# not time. With the default of Max_Threads, 64 calls of one client may run.
# Over one connection, calls above its limit in flight are answered "later".
source "$(dirname "$0")/lib.sh"
need_plugin "a stock server has no share for an export"

CALLS=300
CLIENT_THREADS=64

mkfifo "$T/go"
server_start_slow_pair

# hang VERSION CONNECTIONS: also checks the server while they hang.
hang() {
	local pid delayed
	delayed=$(stat_get delayed)
	rm -f "$T/said"
	timeout 300 "$BIN/hung_calls" "$PORT" "$MOUNT_PORT" "$EXPORT" "$OTHER" \
		"$RPCBUF_SLOW_HOLD" "$1" "$2" "$CALLS" <"$T/go" >"$T/said" 2>&1 &
	pid=$!
	exec 3>"$T/go"
	wait_for "the calls that hang" grep -qs . "$T/said"
	grep -q held "$T/said" || fail "v$1 over $2: $(cat "$T/said")"
	later=$(sed -n 's/held, \([0-9]*\) .*/\1/p' "$T/said")
	wait_stat in_flight == $((CALLS - later))
	wait_stat queued == $((CALLS - later - CLIENT_THREADS))
	assert_cmp "$(stat_get threads)" '<=' $((2 * CLIENT_THREADS)) "threads, v$1 over $2"
	assert_eq $(($(stat_get delayed) - delayed)) "$later" "calls told to come later"
	say "v$1 over $2: $(stat_get threads) threads, $(cat "$T/said")"
	exec 3>&-
	wait "$pid" || fail "v$1 over $2: $(cat "$T/said")"
	wait_stat in_flight == 0
	wait_stat queued == 0
}

for version in 3 40 41; do
	hang "$version" 10
	assert_eq "$later" 0 "calls over ten connections told to come later"
	hang "$version" 1
	assert_cmp "$later" '>' 0 "calls over one connection told to come later"
done
grep -q 'RPCBUF: export 1 is full' "$LOG" || fail "no line says so"
server_stop
