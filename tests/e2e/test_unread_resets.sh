#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: clients that vanish with calls in flight and with replies that they did not
# read leave nothing behind: no descriptor, no page, no memory that grows with them.
# Method: hundreds of clients ask for 20 MB each and reset the connection, some at
# a time. Then the server has as many descriptors as before, and further hundreds
# do not make it larger than the first did.
source "$(dirname "$0")/lib.sh"
need_plugin "stock leaks a descriptor for each"

ROUNDS=3
CLIENTS=80
GROWTH_KIB=32768 # of 160 clients, who left up to 1 MiB each unread

descriptors() {
	local fds=(/proc/"$SERVER"/fd/*)
	echo ${#fds[@]}
}

# Threads and what they have open come and go: not more than at first.
few_descriptors() {
	(($(descriptors) <= before + 4))
}

vanish() {
	local i pids
	for ((i = 0; i < CLIENTS; i += 8)); do
		pids=()
		for _ in 1 2 3 4 5 6 7 8; do
			raw --count 300 --leave read large 0 65536 >/dev/null 2>&1 &
			pids+=($!)
		done
		wait "${pids[@]}" || true
	done
}

server_start
truncate -s $((64 << 20)) "$T/export/large"
raw --count 50 read large 0 65536 >/dev/null
before=$(descriptors)
for ((round = 1; round <= ROUNDS; round++)); do
	vanish
	wait_stat in_flight == 0
	wait_for "the descriptors of those who left" few_descriptors
	((round > 1)) || rss=$(server_rss_kib)
done
assert_cmp $(($(server_rss_kib) - rss)) '<' "$GROWTH_KIB" "KiB more after all"
raw --count 50 read large 0 65536 >/dev/null || fail "calls after it"
server_stop
say "$((ROUNDS * CLIENTS)) clients left"
