#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a wrong RPCBUF block is refused with the number of its line, and nothing
# is served with it; one with parameters without effect is served, with a line
# in the log.
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
refused "Max_Fragments = 99999999;"
refused "Max_Payload = banana;"
refused "Max_Payload = 12345678901;"
refused "Engine = steam;"
refused "Memory = 1;"

says_without_effect() {
	grep -q ':WARN :RPCBUF: Keep_Awake and Local_Congestion do nothing' "$LOG"
}

S_RPCBUF="Max_Fragments = 100; Max_Payload = 65536;"
: >"$LOG"
server_start
raw null || fail "a good block is not taken"
! says_without_effect || fail "a line on parameters that are not given"
server_stop
for S_RPCBUF in "Keep_Awake = never;" "Local_Congestion = reno;"; do
	: >"$LOG"
	server_start
	raw null || fail "$S_RPCBUF is not taken"
	says_without_effect || fail "no line on $S_RPCBUF"
	server_stop
done
