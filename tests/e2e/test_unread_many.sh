#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: however many connections ask for much and read nothing, unsent replies
# stay within Memory, and others are served meanwhile.
# Method: connections send 24 READs of 1 MiB each and read nothing, first 64,
# then 300, with Memory = 64 MiB; the counter, and the server's memory above
# that at idle, are checked until they no longer change. Another client makes
# calls then, and its READ returns at least as much as a shortened one. Last,
# the clients read, and are answered in full or shortened.
source "$(dirname "$0")/lib.sh"
need_plugin "stock keeps what each asks for"

MEMORY=$((64 << 20))
S_RPCBUF="Memory = $MEMORY;"
server_start
truncate -s $((64 << 20)) "$T/export/large"
make_file "$T/export/file" 1048576
raw --count 50 read large 0 1048576 >/dev/null
idle=$(server_rss_kib)
mkfifo "$T/hold"
exec 3<>"$T/hold"

for connections in 64 300; do
	raw --count 24 --connections "$connections" --wait read large 0 1048576 \
		<"$T/hold" >"$T/said" 2>&1 3>&- &
	pid=$!
	wait_stat connections '>=' "$connections"
	wait_stat parked_unsent '>=' "$connections"
	assert_cmp "$(stat_get unsent_kept_bytes)" '<=' "$MEMORY" "bytes kept for $connections connections"
	assert_cmp $(($(server_rss_kib) - idle)) '<=' $((MEMORY >> 10)) "KiB more than at idle, $connections connections"
	raw --count 100 getattr file >/dev/null
	raw --count 20 read file 0 1048576 >/dev/null
	say "$connections connections: $(stat_get unsent_kept_bytes) bytes kept, $(stat_get short_replies) short"
	kill "$pid"
	wait "$pid" 2>/dev/null || true
	wait_stat unsent_bytes == 0
done
assert_cmp "$(stat_get short_replies)" '>' 200 "short replies"
grep -q "shortening READ replies" "$LOG" || fail "no line says that replies are shortened"
short=$(stat_get short_replies)
raw --count 20 read file 0 1048576 >/dev/null
assert_eq "$(stat_get short_replies)" "$short" "short replies once nothing waits"
server_stop
