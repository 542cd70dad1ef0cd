#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a WRITE over a slow link is done, however long it takes, also when the
# server was stopped meanwhile for longer than its record timeout; one that
# stops, or whose client sends a byte now and then, is closed in the end.
# Method: with Record_Timeout = 3, a client writes at 32 KiB a second for 8 s,
# and another does so while the server is stopped for 5 s. A third sends the
# beginning of a record, a fourth sends one byte of its record every 200 ms. The
# last two are closed, and only they.
source "$(dirname "$0")/lib.sh"
need_plugin "stock has no such limit"

LEN=262144
S_RPCBUF="Least_Rate = 1024; Tuning { Record_Timeout = 3; }"

paced() {
	raw --segment 4096 --pause 125000 write "$1" 0 "$LEN" <"$T/in" >/dev/null
}

received() {
	(($(stat_get bytes_received) >= $1))
}

server_start
make_file "$T/in" "$LEN"
: >"$T/export/steady"
: >"$T/export/stopped"
pids=()
paced steady &
pids+=($!)
raw --count 0 --closed-within 60 bytes 80000040000000010000 >"$T/silent" &
pids+=($!)
# A WRITE whose bytes come one by one.
raw --segment 1 --pause 200000 --expect-close write steady 0 "$LEN" \
	<"$T/in" >/dev/null &
pids+=($!)
for pid in "${pids[@]}"; do
	wait "$pid" || fail "one of the three: see above"
done
same_file "$T/in" "$T/export/steady" "what came steadily"
wait_stat refused_timeout == 2

before=$(stat_get bytes_received)
paced stopped &
pid=$!
wait_for "the beginning of a WRITE" received $((before + LEN / 8))
kill -STOP "$SERVER"
sleep 5
kill -CONT "$SERVER"
wait "$pid" || fail "the WRITE during which the server was stopped"
same_file "$T/in" "$T/export/stopped" "what came while the server was stopped"
assert_eq "$(stat_get refused_timeout)" 2 "records that came too slowly, after the stop"
server_stop
