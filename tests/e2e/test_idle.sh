#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: an idle connection is closed after RPC_Idle_Timeout_S, a busy one never,
# and a record that stops closes its connection.
# Method: with a time-out of 3 s, one connection makes a call a second for four
# times as long, one reads all the time, one makes a call and falls silent, one
# never sends a byte, one stays in the middle of a record. Upper bounds are
# generous.
source "$(dirname "$0")/lib.sh"
need_plugin "stock's reaper is not what is tested"

S_CORE="RPC_Idle_Timeout_S = 3;"
S_RPCBUF="Tuning { Record_Timeout = 2; }"

server_start
pids=()
raw --count 13 --interval 1000000 null &
pids+=($!)
# Always busy, with replies that are read slowly.
truncate -s $((64 << 20)) "$T/export/large"
raw --count 200 --interval 60000 read large 0 65536 >/dev/null &
pids+=($!)
raw --closed-within 20 null >"$T/silent" &
pids+=($!)
raw --count 0 --closed-within 20 bytes "" >"$T/mute" &
pids+=($!)
raw --count 0 --closed-within 20 bytes 80000040000000010000 >"$T/half" &
pids+=($!)
for pid in "${pids[@]}"; do
	wait "$pid" || fail "one of the five: see above"
done

for name in silent mute half; do
	say "$name: closed after $(cat "$T/$name") s"
	awk '{ exit !($1 >= 1) }' "$T/$name" || fail "$name: closed too early"
done
wait_stat closed_idle '>=' 2
wait_stat refused_timeout == 1
grep -q "RPCBUF.*$HOST.*record is below the least rate" "$LOG" || fail "no line about the slow record"
server_stop
