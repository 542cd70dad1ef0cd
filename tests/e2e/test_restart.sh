#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: for a client that retries, a restart of the server is only a delay.
# Method: nfs_write, which reconnects for ever, keeps up to 16 random writes in
# flight over v3 while the server is ended with SIGTERM and started again on the
# same ports, three times; each time it must make progress again. At the end the
# file must hash like the client's mirror: no write lost, none out of order.
source "$(dirname "$0")/lib.sh"

progress() {
	tail -n 1 "$T/progress" 2>/dev/null || true
}

progressed_beyond() {
	[[ -n $(progress) ]] && (($(progress) > $1))
}

server_start
mkfifo "$T/go"
"$BIN/nfs_write" --reconnect --until-eof --block 200000 --seed 7 random \
	"$(url 3 file)" "$T/mirror" <"$T/go" >"$T/progress" &
writer=$!
exec 3>"$T/go"
wait_for "the first writes" progressed_beyond 0

S_KEEP_PORTS=1
for _ in 1 2 3; do
	server_stop
	before=$(progress)
	server_start
	wait_for "writes after a restart" progressed_beyond $((before + 256))
	kill -0 "$writer" || fail "the client gave up"
done
exec 3>&-
wait "$writer" || fail "the client ended with an error"
same_file "$T/mirror" "$T/export/file" "after three restarts"
server_stop
say "$(progress) writes over three restarts"
