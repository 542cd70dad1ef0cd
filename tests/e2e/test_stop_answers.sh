#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: SIGTERM with calls in flight: what was received is answered before the
# server ends, and the replies that a client takes its time to read arrive, too.
# Method: READs that FSAL SLOW holds, on four connections, and READs of 1 MiB
# whose replies nobody takes yet. SIGTERM; when the server listens no more, the READs
# are let go and the replies are taken: each must be there once. server_stop's
# checks: the time, the status, and every page back.
source "$(dirname "$0")/lib.sh"
need_plugin "stock closes on them"

HELD=16
READS=8
LEN=1048576
S_SLOW=1
export RPCBUF_SLOW_HOLD=$T/held

listens_no_more() {
	port_is_free "$PORT"
}

mkfifo "$T/go" "$T/take"
for round in 1 2 3; do
	server_start
	make_file "$T/export/slow" 100000
	make_file "$T/export/large" $((READS * LEN))
	raw --count "$READS" --wait read large 0 "$LEN" <"$T/take" >"$T/data" 2>"$T/sent" &
	reader=$!
	exec 4>"$T/take"
	"$BIN/slow_reads" "$PORT" "$MOUNT_PORT" "$EXPORT" "$RPCBUF_SLOW_HOLD" \
		many "$HELD" <"$T/go" >"$T/said" 4>&- &
	slow=$!
	exec 3>"$T/go"
	wait_for "the slow reads to be sent" grep -q held "$T/said"
	wait_for "the large ones to be sent" test -s "$T/sent"
	wait_stat in_flight '>=' "$HELD"

	begin=$(now_ms)
	kill -TERM "$SERVER"
	wait_for "the listener to go" listens_no_more
	exec 3>&- 4>&-
	wait "$slow" || fail "round $round: a call that was in flight"
	wait "$reader" || fail "round $round: a reply that was not taken yet"
	same_blocks "$T/data" "$T/export/large" "$LEN" "round $round"
	status=0
	wait "$SERVER" || status=$?
	assert_eq "$status" 0 "the server's exit status"
	assert_cmp $(($(now_ms) - begin)) '<=' $((STOP_SECONDS * 1000)) "ms until the end"
	SERVER=
	assert_eq "$(stat_get pages_out)" 0 "pages out after the end"
	rm -f "$T/said" "$T/sent"
done
say "$((3 * (HELD + READS))) calls in flight were answered"
