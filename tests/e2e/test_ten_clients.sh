#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: clients that work at the same time do not corrupt each other's bytes.
# Method: ten clients, v3 and v4 mixed, each copy a file of their own in and out
# three times over; every copy must hash like its original. All start together.
source "$(dirname "$0")/lib.sh"

CLIENTS=10
ROUNDS=3

one_client() {
	local i=$1 round name version=$((3 + $1 % 2))
	for ((round = 0; round < ROUNDS; round++)); do
		name=client$i.$round
		put "$version" "$T/in.$i" "$name"
		cp_quiet "$(url "$version" "$name")" "$T/out.$i.$round"
		same_file "$T/in.$i" "$T/out.$i.$round" "client $i, v$version"
		same_file "$T/in.$i" "$T/export/$name" "client $i in the folder"
	done
}

for ((i = 0; i < CLIENTS; i++)); do
	make_file "$T/in.$i" $((1500000 + i * 654321))
done
server_start
pids=()
for ((i = 0; i < CLIENTS; i++)); do
	one_client "$i" &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || fail "a client failed"
done
server_alive
server_stop
say "$CLIENTS clients, $ROUNDS rounds"
