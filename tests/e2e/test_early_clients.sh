#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: clients that connect while the server is still starting are served: on
# their first connection, or, where ntirpc had accepted it before the take-over,
# on the next one, after the first is shut down. That happens at most once.
# Method: clients that try to connect every 100 microseconds are started before
# the server and send at once: single calls, calls that arrive in pieces over
# the seconds of the take-over, and, after it, calls cut in a way that stock
# Ganesha refuses, which proves that the connection was adopted. Several starts.
source "$(dirname "$0")/lib.sh"

STARTS=5
CLIENTS=3
late=(--fragment whole)
if with_plugin; then
	late+=(--fragment every:1+empty --fragment at:45)
fi

# A client whose connection is shut down (status 3) starts again.
served() {
	local status=0
	raw --retry 20 "$@" 2>>"$T/early.err" || status=$?
	((status != 3)) || raw --retry 20 "$@" 2>>"$T/early.err"
}

early() {
	served "$@" &
	pids+=($!)
}

for ((start = 1; start <= STARTS; start++)); do
	pick_port
	server_configure
	pids=()
	for ((i = 0; i < CLIENTS; i++)); do
		early null
		early --count 30 null
		early --segment 60 --pause 1500000 null
		early --segment 3 --pause 60000 null
		early --count 3 --interval 1500000 "${late[@]}" null
	done
	server_launch
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "start $start: $(tail -n 3 "$T/early.err")"
	done
	server_wait || fail "start $start: the server is gone"
	server_stop
done
say "$((5 * CLIENTS)) early clients at each of $STARTS starts"
