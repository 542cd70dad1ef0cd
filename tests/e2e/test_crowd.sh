#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: Max_Connections holds for connections that never send a byte.
# Method: three times as many as allowed connect and stay silent; those above
# the limit are refused, a client that was there before is served meanwhile, and
# when the crowd has closed another client is.
source "$(dirname "$0")/lib.sh"
need_plugin "stock has no such limit"

LIMIT=40
CROWD=120
S_RPCBUF="Max_Connections = $LIMIT;"

server_start
make_file "$T/export/file" 5000
raw --count 50 --interval 20000 getattr file &
caller=$!
wait_stat requests '>=' 3
mkfifo "$T/hold"
exec 3<>"$T/hold"
raw --connections "$CROWD" --wait bytes "" <"$T/hold" >/dev/null 2>&1 3>&- &
crowd=$!
# The mounts of the two clients may still count.
wait_stat refused_connections '>=' $((CROWD - LIMIT))
assert_cmp "$(stat_get connections)" '<=' "$LIMIT" "connections"
grep -qE "RPCBUF.*refusing connection of .*$HOST .* limit $LIMIT\b" "$LOG" || fail "no word of the limit"
wait "$caller" || fail "calls on a connection that was there before"
kill -9 "$crowd"
wait "$crowd" 2>/dev/null || true
exec 3>&-
wait_stat connections '<' "$LIMIT"
raw --count 50 getattr file || fail "calls after the crowd"
server_stop
