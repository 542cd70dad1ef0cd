#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: clients that connect, call and reset as fast as they can affect no
# other.
# Method: four of them make thousands of connections each, so that descriptors
# are used again at once, while another client makes calls. Then the server has
# as many descriptors as before, no connection, nothing to send, no more
# allocated pages, and serves.
source "$(dirname "$0")/lib.sh"
need_plugin "stock leaks a descriptor for each"

STORMS=4
EACH=8000

descriptors() {
	local fds=(/proc/"$SERVER"/fd/*)
	echo ${#fds[@]}
}

descriptors_at_most() {
	(($(descriptors) <= $1))
}

server_start
make_file "$T/export/file" 5000
raw --count 10 getattr file || fail "calls before"
wait_stat connections == 0
before=$(descriptors)
pages=$(stat_get pages_out)
pids=()
for ((i = 0; i < STORMS; i++)); do
	"$BIN/reset_storm" "$PORT" "$EACH" &
	pids+=($!)
done
raw --count 200 --interval 1000 getattr file || fail "calls beside the storm"
for pid in "${pids[@]}"; do
	wait "$pid" || fail "a connection was refused"
done
server_alive
wait_for "the descriptors to be closed" descriptors_at_most "$before"
wait_stat connections == 0
wait_stat unsent_bytes == 0
wait_stat pages_out '<=' "$pages"
assert_eq "$(sockets_in 01 04 05 08)" 0 "sockets that are left"
raw --count 10 getattr file || fail "calls after the storm"
server_stop
say "$((STORMS * EACH)) connections reset"
