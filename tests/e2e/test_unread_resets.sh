#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: clients that reset with calls in flight and with unread replies leave
# nothing behind: no descriptor, no page, no memory that grows with them.
# Method: hundreds of clients ask for 20 MB each and reset the connection, some
# at a time, while another makes a thousand calls. Then the server has as many
# descriptors as before, and further hundreds do not make it larger than the
# first did. Others read nothing until the server does not read from them
# either, and are killed then, while the server waits to send to them. No reply
# is left of these, and the server does not grow from one group to the next.
source "$(dirname "$0")/lib.sh"
need_plugin "stock leaks a descriptor for each"

ROUNDS=3
CLIENTS=80
GROWTH_KIB=32768 # of 160 clients, which left up to 1 MiB each unread
WAITING=20
WAITING_KIB=28672 # of 40 clients, with 1 MiB of unsent replies each

descriptors() {
	local fds=(/proc/"$SERVER"/fd/*)
	echo ${#fds[@]}
}

# Threads and their descriptors come and go: not more than at first.
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

# killed LENGTH: unread replies have so many bytes then.
killed() {
	local parked pid
	parked=$(stat_get parked_unsent)
	raw --count $(((20 << 20) / $1)) --connections "$WAITING" --wait \
		read large 0 "$1" <"$T/hold" >/dev/null 2>&1 3>&- &
	pid=$!
	wait_stat parked_unsent '>=' $((parked + WAITING))
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	wait_stat connections == 0
	wait_stat unsent_bytes == 0
}

anonymous_kib() {
	awk '/^RssAnon:/ { print $2 }' "/proc/$SERVER/status"
}

server_start
truncate -s $((64 << 20)) "$T/export/large"
raw --count 50 read large 0 65536 >/dev/null
before=$(descriptors)
for ((round = 1; round <= ROUNDS; round++)); do
	raw --count 1000 --interval 1000 getattr large &
	caller=$!
	vanish
	wait "$caller" || fail "calls beside those that left"
	wait_stat in_flight == 0
	wait_for "the descriptors of those that left" few_descriptors
	((round > 1)) || rss=$(server_rss_kib)
done
assert_cmp $(($(server_rss_kib) - rss)) '<' "$GROWTH_KIB" "KiB more after all"

mkfifo "$T/hold"
exec 3<>"$T/hold"
killed 65536
killed $((1 << 20))
rss=$(anonymous_kib)
killed $((1 << 20))
killed $((1 << 20))
grown=$(($(anonymous_kib) - rss))
assert_cmp "$grown" '<' "$WAITING_KIB" "KiB more for those with unsent replies"
wait_for "the descriptors of those that were killed" few_descriptors
raw --count 50 read large 0 65536 >/dev/null || fail "calls after it"
server_stop
say "$((ROUNDS * CLIENTS)) clients left, $((4 * WAITING)) were killed: $grown KiB more"
