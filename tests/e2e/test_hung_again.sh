#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a retransmission into a hanging export is executed once: it is not
# answered "later" when the server has executed it, is executing it, or will.
# Method: hung_again (see its comment): two exports over FSAL SLOW, and REMOVEs
# whose originals are done, run, and wait, sent again among more hanging READs
# than a connection may have in flight.
source "$(dirname "$0")/lib.sh"
need_plugin "a stock server has no share for an export"

server_start_slow_pair
for version in 3 40; do
	touch "$EXPORT"/{gone,slow-runs,slow-waits,slow-new}
	said=$(timeout 200 "$BIN/hung_again" "$PORT" "$MOUNT_PORT" "$EXPORT" "$OTHER" \
		"$RPCBUF_SLOW_HOLD" "$version" 2>&1) || fail "v$version: $said"
	wait_stat in_flight == 0
	wait_stat queued == 0
	say "v$version: $said"
done
server_stop
