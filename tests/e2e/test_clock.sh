#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: nothing in the server stalls when the clock is set back, or when the
# server was stopped (by a debugger, or by a container's CPU quota).
# Method: the server is started with a wall clock that is an hour ahead
# (preload/clock_ahead.c), which is then corrected: the statistics continue,
# connections that come and go leave no descriptor, and after a shortage of
# descriptors clients are accepted again. Then a server and one of its clients
# are stopped for longer than Idle_Timeout: the server continues first, and
# keeps the connection.
source "$(dirname "$0")/lib.sh"
need_plugin "the waits are the plug-in's"

COMERS=300
CROWD=400
IDLE_SECONDS=15

build_preload() {
	"${CC:-cc}" -D_GNU_SOURCE -Wall -Wextra -shared -fPIC -o "$T/clock_ahead.so" \
		"$RPCBUF_SOURCE/tests/e2e/preload/clock_ahead.c"
}

descriptors() {
	find "/proc/$SERVER/fd" -mindepth 1 | wc -l
}

descriptors_are_back() {
	(($(descriptors) <= before))
}

statistics_go_on() {
	local requests
	requests=$(stat_get requests)
	raw --count 10 null || fail "calls"
	wait_stat requests '>=' $((requests + 10))
}

come_and_go() {
	local i
	for ((i = 0; i < COMERS; i++)); do
		(exec 5<>"/dev/tcp/$HOST/$PORT") || fail "connection $i"
	done
}

is_full() {
	grep -q "not accepting connections for now" "$LOG"
}

fill_and_leave() {
	mkfifo "$T/hold"
	exec 3<>"$T/hold"
	raw --connections "$CROWD" --wait bytes "" <"$T/hold" >/dev/null 2>&1 3>&- &
	local crowd=$!
	wait_for "the descriptors to be used up" is_full
	kill -9 "$crowd"
	wait "$crowd" 2>/dev/null || true
	exec 3>&-
}

is_stopped() {
	[[ $(awk '{ print $3 }' "/proc/$1/stat") == T ]]
}

build_preload
touch "$T/ahead"
S_RPCBUF="Max_Connections = $((2 * CROWD));" # the default would keep the crowd out
RPCBUF_CLOCK_AHEAD=$T/ahead S_WRAP="prlimit --nofile=256:256 env LD_PRELOAD=$T/clock_ahead.so" \
	server_start
say "the clock is set back by an hour"
rm "$T/ahead"
statistics_go_on
statistics_go_on
before=$(descriptors)
come_and_go
wait_for "the descriptors of $COMERS connections that came and went" descriptors_are_back
fill_and_leave
raw --retry 10 --count 100 null || fail "calls after the crowd"
wait_for "the descriptors of the crowd" descriptors_are_back
server_stop

S_RPCBUF="Idle_Timeout = $IDLE_SECONDS;"
server_start
raw --count 30 --interval 100000 null &
caller=$!
wait_stat requests '>=' 3
kill -STOP "$caller" "$SERVER"
wait_for "both to stop" is_stopped "$caller"
wait_for "both to stop" is_stopped "$SERVER"
sleep $((IDLE_SECONDS + 1)) # what is to pass
kill -CONT "$SERVER"
statistics_go_on
statistics_go_on
kill -CONT "$caller"
wait "$caller" || fail "the calls of a client that was stopped with its server"
assert_eq "$(stat_get closed_idle)" 0 "connections closed as idle"
server_stop
