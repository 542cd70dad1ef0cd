#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the server ends within 5 s of SIGTERM with exit status 0 and every page
# free, whatever the clients do at that moment.
# Method: SIGTERM while clients copy large files in and out, read at full rate,
# hold idle connections, half a mark, half a record, and one does not read its
# replies; server_stop checks time, status and the pages. Several rounds, as the
# moment matters; also without clients, and right after the start.
source "$(dirname "$0")/lib.sh"

ROUNDS=5

crowd() {
	local i
	for i in 1 2 3; do
		nfs-cp "$T/large" "$(url 3 "in.$i")" >/dev/null 2>&1 &
		nfs-cp "$(url $((3 + i % 2)) large)" "$T/out.$i" >/dev/null 2>&1 &
	done
	"$BIN/nfs_write" --writes 1000000 --span $((64 << 20)) random \
		"$(url 4 random)" "$T/mirror" >/dev/null 2>&1 &
	raw --count 20000 read large 0 4096 >/dev/null 2>&1 &
	raw --count 2000 --wait read large 0 65536 <"$T/hold" 2>"$T/flood" >/dev/null &
	raw --connections 10 --wait bytes 8000 <"$T/hold" >/dev/null 2>&1 &
	raw --connections 10 --wait bytes 8000010000000001 <"$T/hold" \
		>/dev/null 2>&1 &
	raw --connections 10 --wait bytes "" <"$T/hold" >/dev/null 2>&1 &
}

server_start
server_stop

mkfifo "$T/hold"
exec 3<>"$T/hold"
make_file "$T/large" $((128 << 20))
cp "$T/large" "$T/export/large"
for ((round = 1; round <= ROUNDS; round++)); do
	server_start
	crowd
	wait_for "the copies to begin" test -s "$T/export/in.1"
	wait_for "the flood" test -s "$T/flood"
	sleep "0.$((round * 2))"
	server_stop
	say "round $round: gone after $STOP_MS ms"
	for pid in $(jobs -p); do
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -f "$T"/export/in.* "$T"/out.* "$T/flood" "$T/export/random"
done

server_start
server_stop
say "$ROUNDS rounds under load"
