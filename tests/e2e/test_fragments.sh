#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: any legal fragmentation of a record is accepted, and means the same.
# Method: raw_cuts (see its comment). Then three of them in parallel, so that
# partial records of several connections exist at the same time.
source "$(dirname "$0")/lib.sh"

cuts() {
	"$BIN/raw_cuts" "$PORT" "$MOUNT_PORT" "$1"
}

server_start
make_file "$T/export/cuts" 1000
cuts "$EXPORT" || fail "raw_cuts"

pids=()
for i in 1 2 3; do
	mkdir "$T/export/$i"
	make_file "$T/export/$i/cuts" 1000
	cuts "$EXPORT/$i" >/dev/null &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || fail "raw_cuts, one of three at once"
done
server_alive
server_stop
