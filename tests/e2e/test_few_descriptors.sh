#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a server without a free descriptor accepts no connection, uses no CPU
# for that, serves the existing ones, and accepts again when there are
# descriptors.
# Method: a limit of 128 descriptors and 400 clients that connect and stay
# silent. One that was there before makes calls meanwhile. The server may use a
# quarter of a CPU; one that spins uses one or more. Then the clients close,
# twice.
source "$(dirname "$0")/lib.sh"
need_plugin "stock spins"

CROWD=400
SECONDS_FULL=3
S_WRAP="prlimit --nofile=128:128"
S_RPCBUF="Max_Connections = $((2 * CROWD));" # the default would keep them out

# Hundredths of a second of CPU.
cpu_used() {
	awk '{ print $14 + $15 }' "/proc/$SERVER/stat"
}

is_full() {
	(($(grep -c "not accepting connections for now" "$LOG") >= round))
}

server_start
make_file "$T/export/file" 5000
mkfifo "$T/hold"
for round in 1 2; do
	exec 3<>"$T/hold"
	raw --count 50 --interval 100000 getattr file 3>&- &
	caller=$!
	raw --count 1 null || fail "a call before the crowd"
	raw --connections "$CROWD" --wait bytes "" <"$T/hold" >/dev/null 2>&1 3>&- &
	crowd=$!
	wait_for "the descriptors to be used up" is_full
	before=$(cpu_used)
	sleep "$SECONDS_FULL"
	used=$(($(cpu_used) - before))
	assert_cmp "$used" '<' $((SECONDS_FULL * 25)) "CPU in 1/100 s without descriptors"
	kill -9 "$crowd"
	wait "$crowd" 2>/dev/null || true
	exec 3>&-
	wait "$caller" || fail "calls on a connection that was there before"
	raw --retry 10 --count 100 getattr file || fail "calls after the crowd"
	say "round $round: $used/100 s of CPU in $SECONDS_FULL s"
done
server_stop
