#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: at any step of a connection, from accept to close, its client may reset
# it, and nothing is left of it; or the server may be stopped, and nothing is
# lost.
# Method: the thread of the server that takes the step is held there. Then the
# client resets, and the thread continues: there must be as many sockets as
# before, and another client is served. Or the server is stopped for seconds
# while the client sends more: every reply must come, once and with the right
# bytes. All with the debug plug-in, so its assertions must hold as well.
#
# RPCBUF_TEST_STOP_SECONDS: duration of the stop, 1 by default; above 4 it is
# longer than the record timeout.
source "$(dirname "$0")/lib.sh"
need_plugin "the steps are the plug-in's"

STOP=${RPCBUF_TEST_STOP_SECONDS:-1}
# Point, and the client's action there (step_client.c).
STEPS=(
	"accepted call" "made call" "told call" "claimed call" "adopting call"
	"adopted call" "collecting call"
	"received call" "received half" "begun call" "running call" "encoded call"
	"corked batch" "sending call" "sending large" "sent call" "sent large"
	"left-off call" "blocked large" "run call"
	"ending last" "ending read" "closed read" "shut read" "destroying read"
)
S_DEBUG=1
S_RPCBUF="Tuning { Long_Call = 0; Record_Timeout = 4; }"

# Of the server; threads come and go, and have rings and no sockets.
sockets() {
	find "/proc/$SERVER/fd" -lname 'socket:*' 2>/dev/null | wc -l
}

sockets_are() {
	(($(sockets) == $1))
}

# The client executes a command, and confirms it.
tell() {
	local said=
	echo "$1" >&3
	read -r -t 60 said <&4 || true
	[[ $said == ok ]] || fail "$step: the client cannot $1"
}

# Holds the thread of the server at the point.
begin() {
	step="$2 at $1"
	pause_at "$1"
	tell "$2"
	paused "$1"
}

settle() {
	server_alive
	wait_for "the socket to be closed, $step" sockets_are "$before"
	raw --count 5 getattr file || fail "$step: calls of another client"
	wait_for "the others' sockets to be closed, $step" sockets_are "$before"
}

reset_at() {
	begin "$1" "$2"
	tell reset
	pause_end "$1"
	settle
}

stop_at() {
	begin "$1" "$2"
	kill -STOP "$SERVER"
	tell more
	sleep "$STOP"
	kill -CONT "$SERVER"
	pause_end "$1"
	tell finish
	settle
}

mkfifo "$T/go" "$T/said"
server_start
make_file "$T/export/file" 1048576
"$BIN/step_client" "$PORT" "$MOUNT_PORT" "$EXPORT" <"$T/go" >"$T/said" &
client=$!
exec 3>"$T/go" 4<"$T/said"
read -r _ <&4
step="before all"
tell call
tell finish
raw --count 100 getattr file || fail "calls before"
wait_stat connections == 0
wait_stat requests '>=' 100
pages=$(stat_get pages_out)
before=$(sockets)

for pair in "${STEPS[@]}"; do
	# shellcheck disable=SC2086 # two words
	reset_at $pair
done
for pair in "${STEPS[@]}"; do
	# shellcheck disable=SC2086 # two words
	stop_at $pair
done

exec 3>&-
wait "$client" || fail "the client"
wait_stat connections == 0
wait_stat in_flight == 0
wait_stat unsent_bytes == 0
wait_stat pages_out '<=' "$pages"
assert_eq "$(sockets_in 01 04 05 08)" 0 "sockets that are left"
server_stop
say "${#STEPS[@]} steps: reset at each, and stopped for $STOP s at each"
