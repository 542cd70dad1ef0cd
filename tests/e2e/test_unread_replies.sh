#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a client that does not read its replies costs the server a limited
# amount of memory and affects no other; when it reads in the end, every reply
# comes.
# Method: two clients send 2000 READs of 64 KiB each (125 MiB of replies), or as
# many as the server takes, and read nothing. The server's memory must not grow
# by 32 MiB, and another client is served; then they read, and get all 2000,
# each once.
source "$(dirname "$0")/lib.sh"

CALLS=2000
LEN=65536
GROWTH_KIB=32768

has_all() {
	[[ $(stat -c %s "$T/data.$1") == $((CALLS * LEN)) ]]
}

server_start
make_file "$T/in" 500000
truncate -s $((CALLS * LEN)) "$T/export/large"
for i in 1 2 3 4; do
	put 3 "$T/in" "warm.$i"
	raw --count 50 read large 0 "$LEN" >/dev/null
done
rss=$(server_rss_kib)

mkfifo "$T/hold"
exec 3<>"$T/hold"
pids=()
for i in 1 2; do
	mkfifo "$T/hold.$i"
	raw --count "$CALLS" --wait read large 0 "$LEN" <"$T/hold.$i" \
		>"$T/data.$i" 2>"$T/sent.$i" 3>&- &
	pids+=($!)
done
exec 4>"$T/hold.1" 5>"$T/hold.2"
wait_for "the calls to be sent" test -s "$T/sent.1" -a -s "$T/sent.2"

most=0
for i in 1 2 3 4 5 6 7 8; do
	put $((3 + i % 2)) "$T/in" "other.$i"
	same_file "$T/in" "$T/export/other.$i" "a copy beside the flood"
	raw --count 50 getattr large || fail "calls beside the flood"
	now=$(server_rss_kib)
	((now <= most)) || most=$now
	sleep 0.2
done
assert_cmp $((most - rss)) '<' "$GROWTH_KIB" "KiB more while replies are not read"

exec 4>&- 5>&-
for pid in "${pids[@]}"; do
	wait "$pid" || fail "replies are missing"
done
has_all 1 || fail "the first got $(stat -c %s "$T/data.1") bytes"
has_all 2 || fail "the second got $(stat -c %s "$T/data.2") bytes"
cmp "$T/data.1" "$T/export/large" || fail "wrong bytes"
server_stop
say "$((most - rss)) KiB more; $(cat "$T/sent.1")"
