#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: with hardly more pages than one call needs, calls wait for pages and all
# are answered; none fails, none starves, and no page is lost.
# Method: a budget of hardly more than three vectors; twelve clients that write
# in blocks of 1 MiB and read at the same time; thirty that send WRITEs of 1 MiB
# so slowly that all of them are in the middle of a record; and connections that
# keep half a record. Every file must hash like its original, and some
# connection must have waited.
source "$(dirname "$0")/lib.sh"
need_plugin "stock has no page budget"

CLIENTS=12
SLOW=30
MIB=1048576
S_RPCBUF="Memory = 3182592;"

one_client() {
	local i=$1
	put $((3 + i % 2)) "$T/in.$i" "file.$i"
	same_file "$T/in.$i" "$T/export/file.$i" "client $i"
	cp_quiet "$(url $((3 + i % 2)) "file.$i")" "$T/out.$i"
	same_file "$T/in.$i" "$T/out.$i" "client $i, out"
}

slow_client() {
	local i=$1
	raw --count 2 --segment 30000 --pause 3000 write "slow.$i" 0 $MIB \
		<"$T/in.$((i % CLIENTS))" || fail "slow client $i"
	cmp -n $((2 * MIB)) "$T/in.$((i % CLIENTS))" "$T/export/slow.$i" ||
		fail "slow client $i: other bytes"
}

server_start
assert_cmp "$(stat_get pages_total)" '<=' 777 "three vectors of pages"
mkfifo "$T/hold"
raw --connections 5 --wait bytes 80000064000000010000000000000002000186a3 \
	<"$T/hold" 2>"$T/held" &
holder=$!
exec 3>"$T/hold"
wait_for "the half records" test -s "$T/held"

pids=()
for ((i = 0; i < CLIENTS; i++)); do
	make_file "$T/in.$i" $((12000000 + i * 7777))
	one_client "$i" 3>&- &
	pids+=($!)
done
for ((i = 0; i < SLOW; i++)); do
	true >"$T/export/slow.$i"
	slow_client "$i" 3>&- &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || fail "a client failed"
done
exec 3>&-
wait "$holder" || fail "the holder"
wait_stat connections '<=' 2
say "sleeps $(stat_get sleeps), parked $(stat_get parked_pages), pages $(stat_get pages_total)"
assert_cmp $(($(stat_get sleeps) + $(stat_get parked_pages))) '>' 0 "waits for pages"
server_stop
