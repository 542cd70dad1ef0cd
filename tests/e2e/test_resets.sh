#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: resets with hundreds of calls in flight leak neither a descriptor nor a
# page, and do not affect other clients.
# Method: connections with a READ that FSAL SLOW holds, so that it is certainly
# in flight, and with other calls, of which the last is cut short (slow_reads)
# are all reset, several times over; another client, at another address, makes
# calls meanwhile. Then the numbers of descriptors, connections and pages must
# be as before.
source "$(dirname "$0")/lib.sh"

EACH=150
ROUNDS=3
S_SLOW=1
export RPCBUF_SLOW_HOLD=$T/held

descriptors() {
	find "/proc/$SERVER/fd" -mindepth 1 2>/dev/null | wc -l
}

descriptors_at_most() {
	(($(descriptors) <= $1))
}

reset_round() {
	local pid
	rm -f "$T/said"
	"$BIN/slow_reads" "$PORT" "$MOUNT_PORT" "$EXPORT" "$RPCBUF_SLOW_HOLD" \
		reset "$EACH" <"$T/go" >"$T/said" &
	pid=$!
	exec 3>"$T/go"
	wait_for "the calls to be sent" grep -q held "$T/said"
	! with_plugin || wait_stat in_flight '>=' "$EACH"
	raw --source 127.0.0.2 --count 100 getattr file || fail "calls beside those in flight"
	most=$(descriptors)
	exec 3>&-
	wait "$pid" || fail "slow_reads reset"
	raw --source 127.0.0.2 --count 100 getattr file || fail "calls right after the resets"
}

mkfifo "$T/go"
server_start
make_file "$T/export/slow" 100000
truncate -s 20000000 "$T/export/file"
raw read slow 0 4096 >/dev/null
raw read file 0 4096 >/dev/null
if with_plugin; then
	wait_stat connections == 0
	wait_stat requests '>=' 4
	pages=$(stat_get pages_out)
fi
before=$(descriptors)
for ((round = 1; round <= ROUNDS; round++)); do
	reset_round
	# Otherwise the next round would hold the calls of this one.
	! with_plugin || wait_stat in_flight == 0
	say "round $round: $most descriptors, $before before"
done
wait_for "the descriptors to be closed" descriptors_at_most $((before + 2))
if with_plugin; then
	wait_stat connections == 0
	wait_stat in_flight == 0
	wait_stat pages_out '<=' $((pages + 64))
fi
raw --source 127.0.0.2 --count 100 getattr file || fail "calls after all"
server_stop
