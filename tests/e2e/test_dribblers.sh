#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: clients behind slow lines are served, or closed when they send below the
# least rate; other clients are not affected; the server's memory stays within
# its budget.
# Method: 250 connections of dribblers (see its comment): calls and WRITEs that
# come a few bytes at a time, replies that are taken slowly, some that are
# silent, and a fifth below the least rate. All of those, and only they, must be
# counted as refused; a client copies files beside them. The server may grow by
# its budget, by the unread replies, and by a little.
source "$(dirname "$0")/lib.sh"
need_plugin "half a mark stops a thread of stock's"

MIB=1048576
CONNECTIONS=250
EACH=$((CONNECTIONS / 5))
WRITE_LEN=16384
MEMORY=$((64 * MIB))
UNREAD=$((EACH * MIB / 2)) # replies that the slow readers have not read
OTHERS=$((16 * MIB))       # what the server takes for the copies
# Twice what the others take, and a margin for a busy machine.
S_RPCBUF="Memory = $MEMORY; Tuning { Record_Timeout = 7; }"

server_start
make_file "$T/in" 3000000
make_file "$T/export/large" $MIB
make_file "$T/slow" $((EACH * WRITE_LEN + WRITE_LEN))
: >"$T/export/slow"
put 3 "$T/in" before
raw --count 50 read large 0 65536 >/dev/null
rss=$(server_rss_kib)

mkfifo "$T/said"
(cd "$T" && exec "$BIN/dribblers" "$PORT" "$MOUNT_PORT" "$EXPORT" "$CONNECTIONS") >"$T/said" &
dribblers=$!
exec 4<"$T/said"
read -r -u 4 -t 60 said || fail "the dribblers do not connect"
assert_eq "$said" connected "the dribblers"

copies=0
most=0
wait_stat connections '>=' "$CONNECTIONS"
while ((copies < 2)) || kill -0 "$dribblers" 2>/dev/null; do
	version=$((3 + copies % 2))
	put "$version" "$T/in" "beside.$copies"
	same_file "$T/in" "$T/export/beside.$copies" "v$version beside them"
	rm -f "$T/out"
	cp_quiet "$(url "$version" "beside.$copies")" "$T/out"
	same_file "$T/in" "$T/out" "v$version beside them, out"
	raw --count 200 --interval 1 null || fail "calls beside them"
	copies=$((copies + 1))
	now=$(server_rss_kib)
	((now <= most)) || most=$now
	sleep 0.3
done
read -r -u 4 -t 120 said || fail "the dribblers do not end"
wait "$dribblers" || fail "a dribbler, see above"
assert_cmp $(((most - rss) * 1024)) '<' $((MEMORY + UNREAD + OTHERS)) "bytes more beside them"
cmp -n $((EACH * WRITE_LEN)) "$T/slow" "$T/export/slow" || fail "what dribbled in is not what was written"
wait_stat connections '<=' 2
wait_stat unsent_bytes == 0
wait_stat held_pages == 0
assert_eq "$(stat_get refused_timeout)" "$EACH" "records that were not finished in time"
assert_eq "$(stat_get records_refused)" "$EACH" "records refused"
server_stop
say "$said; $copies copies beside them, $((most - rss)) KiB more"
