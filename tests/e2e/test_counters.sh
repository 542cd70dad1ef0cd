#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: calls use the page vectors with the plug-in, and none does without it.
# Method: a known number of calls and of payload bytes, then the counters: every
# call counted, pages filled in bulk, every byte accounted for, and a WRITE of 1
# MiB in the bucket of its pages. A stock server has no plug-in in its address
# space and no counters.
source "$(dirname "$0")/lib.sh"
need_plugin "there are no counters without the plug-in"

CALLS=500
MIB=1048576

histogram_from() {
	awk -v least="$1" '/^hist_pages_/ { split($1, part, "_")
		if (part[3] + 0 >= least) sum += $2 } END { print sum + 0 }' "$STATS"
}

loaded() {
	grep -q libfsalrpcbuf "/proc/$SERVER/maps"
}

server_start
loaded || fail "the plug-in is not loaded"
[[ $(stat_get engine) =~ ^(epoll|io_uring)$ ]] || fail "engine: $(stat_get engine)"

make_file "$T/export/file" 100
requests=$(stat_get requests)
raw --count "$CALLS" getattr file
wait_stat requests '>=' $((requests + CALLS))
assert_cmp "$(stat_get hist_pages_1)" '>=' $((CALLS / 2)) "calls of one page"
assert_cmp "$(stat_get pages_filled)" '>' 0 "pages_filled"
assert_cmp "$(stat_get bulk_calls)" '>' 0 "bulk_calls"

# 8 MiB in WRITEs of 1 MiB: 256 pages and more, of which many come per bulk call.
received=$(stat_get bytes_received)
filled=$(stat_get pages_filled)
bulk=$(stat_get bulk_calls)
copied=$(stat_get bytes_copied)
make_file "$T/file" $((8 * MIB))
raw --count 8 write file 0 $MIB <"$T/file" || fail "WRITE"
same_file "$T/file" "$T/export/file" "WRITE"
wait_stat bytes_received '>=' $((received + 8 * MIB))
assert_cmp "$(histogram_from 256)" '>=' 8 "calls of 256 pages and more"
assert_cmp $(($(stat_get pages_filled) - filled)) '>=' $((8 * 256)) "pages filled"
assert_cmp $(($(stat_get pages_filled) - filled)) '>=' \
	$((4 * ($(stat_get bulk_calls) - bulk))) "pages filled, 4 per bulk call"
# Payloads stay where recv put them.
assert_cmp $(($(stat_get bytes_copied) - copied)) '<' $MIB "bytes copied for 8 MiB"
assert_cmp "$(histogram_from 1)" '==' "$(stat_get requests)" "sum of the histogram"
server_stop
grep -q "RPCBUF.*requests" "$LOG" || fail "no totals in the log at the end"

S_STOCK=1
rm -f "$STATS"
server_start
raw --count "$CALLS" getattr file
! loaded || fail "the stock server has the plug-in loaded"
[[ ! -e $STATS ]] || fail "the stock server writes statistics"
server_stop
