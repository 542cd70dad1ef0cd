#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: after SIGTERM with calls in flight, received calls are answered before
# the server ends, and replies that a client reads slowly arrive, too.
# Method: READs that FSAL SLOW holds, on four connections, and READs of 1 MiB
# whose replies are not read yet. SIGTERM; when the server no longer listens,
# the READs are released and the replies are read: each must come once.
# server_stop checks time, status and pages.
source "$(dirname "$0")/lib.sh"
need_plugin "stock closes on them"

HELD=16
READS=8
LEN=1048576
S_SLOW=1
export RPCBUF_SLOW_HOLD=$T/held

# Holds back both clients until the server no longer listens.
hold() {
	exec 3>"$T/go" 4>"$T/take"
	until port_is_free "$PORT"; do
		sleep 0.05
	done
}

mkfifo "$T/go" "$T/take"
for round in 1 2 3; do
	server_start
	make_file "$T/export/slow" 100000
	make_file "$T/export/large" $((READS * LEN))
	hold &
	raw --count "$READS" --wait read large 0 "$LEN" <"$T/take" >"$T/data" 2>"$T/sent" &
	reader=$!
	"$BIN/slow_reads" "$PORT" "$MOUNT_PORT" "$EXPORT" "$RPCBUF_SLOW_HOLD" \
		many "$HELD" <"$T/go" >"$T/said" &
	slow=$!
	wait_for "the slow reads to be sent" grep -q held "$T/said"
	wait_for "the large ones to be sent" test -s "$T/sent"
	wait_stat in_flight '>=' "$HELD"

	server_stop
	wait "$slow" || fail "round $round: a call that was in flight"
	wait "$reader" || fail "round $round: a reply that was not taken yet"
	same_blocks "$T/data" "$T/export/large" "$LEN" "round $round"
	rm -f "$T/said" "$T/sent"
done
say "$((3 * (HELD + READS))) calls in flight were answered"
