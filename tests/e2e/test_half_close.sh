#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a client that shuts down its sending side right behind its calls gets
# the reply to every one of them, each once, and then end of file.
# Method: rawrpc sends 64 calls in one go (NULL, GETATTR, READ and WRITE of 64
# KiB) and half-closes; it fails on a missing, second or foreign reply, and on
# anything but a clean end behind the last. Several rounds, fragmented as well.
# Last, it asks for 20 MiB, half-closes, and takes replies only when so many are
# unread that the server does not read from it any more.
source "$(dirname "$0")/lib.sh"

N=64
LEN=65536
MANY=320

server_start
make_file "$T/export/data" $((N * LEN))
for round in 1 2 3 4 5; do
	raw --half-close --count "$N" null || fail "NULL, round $round"
	raw --half-close --count "$N" getattr data || fail "GETATTR, round $round"
	raw --half-close --count "$N" --fragment "random:$round" getattr data ||
		fail "GETATTR in fragments, round $round"
	raw --half-close --count "$N" read data 0 "$LEN" >"$T/read.$round" ||
		fail "READ, round $round"
	assert_eq "$(stat -c %s "$T/read.$round")" $((N * LEN)) "bytes read"
	true >"$T/export/written"
	raw --half-close --count "$N" write written 0 "$LEN" \
		<"$T/export/data" || fail "WRITE, round $round"
	same_file "$T/export/data" "$T/export/written" "WRITE, round $round"
done
if with_plugin; then
	mkfifo "$T/hold"
	make_file "$T/export/large" $((MANY * LEN))
	raw --half-close --count "$MANY" --wait read large 0 "$LEN" <"$T/hold" >"$T/late" &
	late=$!
	exec 4>"$T/hold"
	wait_stat parked_unsent '>=' 1
	exec 4>&-
	wait "$late" || fail "READ, replies taken late"
	same_blocks "$T/late" "$T/export/large" "$LEN" "READ, replies taken late"
fi
server_alive
server_stop
