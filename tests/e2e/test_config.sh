#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a wrong RPCBUF block is refused with the number of its line, and nothing
# is served with it; one with parameters without effect, or outside their Tuning
# block, is served, with a line in the log.
# Method: one wrong line at a time in an otherwise good configuration; the log
# must name the file with that line's number, and the export must not exist.
# Ganesha itself may run on without the export, as with any FSAL.
#
# One back end: nothing is served but once.
source "$(dirname "$0")/lib.sh"
need_plugin "there is no RPCBUF block without the plug-in"

refused() {
	local line
	S_RPCBUF=$1
	pick_port
	server_configure
	line=$(grep -nF "$1" "$CONF" | cut -d : -f 1)
	: >"$LOG"
	server_launch
	wait_for "the server to give its opinion on $1" settled
	if kill -0 "$SERVER" 2>/dev/null; then
		! raw mount >/dev/null 2>&1 || fail "it serves with $1"
		kill "$SERVER"
	fi
	wait "$SERVER" 2>/dev/null || true
	SERVER=
	grep ':CRIT :' "$LOG" | grep -qF "$CONF:$line)" ||
		fail "no line $line in the log for $1: $(grep ':CRIT :Config' "$LOG")"
	say "$(grep ':CRIT :' "$LOG" | grep -F "$CONF:$line)" | head -n 1 | sed 's/.*:CRIT ://')"
}

settled() {
	! kill -0 "$SERVER" 2>/dev/null || grep -q 'SERVER INITIALIZED' "$LOG"
}

refused "Memori = 100;"
refused "Max_Fragments = 0;"
refused "Tuning { Max_Fragments = 99999999; }"
refused "Tuning { Max_Calls = 7; }"
refused "Max_Payload = banana;"
refused "Max_Payload = 12345678901;"
refused "Engine = steam;"
refused "Memory = 1;"

# said COUNT PATTERN: lines of the log about parameters, all of them
said() {
	assert_eq "$(grep -cE ':WARN :RPCBUF: [A-Za-z_]+ (stands|does)' "$LOG")" "$1" "lines about $S_RPCBUF"
	(($1 == 0)) || grep -q ":WARN :RPCBUF: $2" "$LOG" || fail "no line $2 on $S_RPCBUF"
}

# accepted COUNT PATTERN BLOCK
accepted() {
	S_RPCBUF=$3
	: >"$LOG"
	server_start
	raw null || fail "$S_RPCBUF is not taken"
	said "$1" "$2"
	server_stop
}

accepted 0 "" "Max_Payload = 65536; Tuning { Max_Fragments = 100; Spin = 0; }"
accepted 1 "Keep_Awake does nothing any more" "Keep_Awake = never;"
accepted 1 "Local_Congestion does nothing any more" "Local_Congestion = reno;"
accepted 1 "Spin stands in the RPCBUF block: it belongs in its Tuning { } block; this is accepted until version" \
	"Spin = 0; Tuning { Handover = 600; }"
