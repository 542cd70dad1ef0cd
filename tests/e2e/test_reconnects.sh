#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: connections that end while calls are in flight corrupt no data and lose
# no reply to a retransmission.
# Method: clients that tag their data (reconnects) make hundreds of connections
# each, two at a time for each way to continue: calls in flight are forgotten,
# sent again from another port, or sent again from the same one.
# RPCBUF_TEST_CONNECTIONS: so many for each, instead.
source "$(dirname "$0")/lib.sh"

CONNECTIONS=${RPCBUF_TEST_CONNECTIONS:-200}
FORGET_BYTES=$((128 << 10))
FILE_BYTES=$((4 << 20))

modes=(forget again same-port)
options=(cut)
if ! with_plugin; then
	modes=(forget again) # it loses replies
	options=()	      # it refuses these
fi

server_start
pids=()
for mode in "${modes[@]}"; do
	for i in 1 2; do
		name=$mode.$i
		size=$FILE_BYTES
		if [[ $mode == forget ]]; then
			size=$((CONNECTIONS * FORGET_BYTES))
		fi
		truncate -s "$size" "$EXPORT/$name"
		"$BIN/reconnects" "$mode" "$PORT" "$MOUNT_PORT" "$EXPORT" "$name" \
			"$CONNECTIONS" "$((${#pids[@]} + 1))" "${options[@]}" &
		pids+=($!)
	done
done
for pid in "${pids[@]}"; do
	wait "$pid" || fail "a client"
done
server_alive
! with_plugin || wait_stat connections == 0
server_stop
