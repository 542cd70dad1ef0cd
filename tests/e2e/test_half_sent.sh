#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: connections that stop in the middle of a mark or of a record block no
# other.
# Method: 400 connections hold 2 of the 4 bytes of a mark, 400 hold half a
# record, 400 hold a mark alone, and 1000 have made a call and are silent;
# beside them clients copy files and make calls. Then they close, and the server
# must have closed them.
source "$(dirname "$0")/lib.sh"

EACH=400
SILENT=1000
S_CORE="RPC_Max_Connections = 10000;"

ulimit -n "$(ulimit -Hn)"
server_start
make_file "$T/in" 3000000
put 3 "$T/in" before

mkfifo "$T/hold"
holders=()
for bytes in 8000 80000028 80000064000000010000000000000002000186a3; do
	raw --connections "$EACH" --wait bytes "$bytes" <"$T/hold" \
		2>"$T/held.$bytes" &
	holders+=($!)
done
raw --connections "$SILENT" --wait null <"$T/hold" 2>"$T/held.silent" &
holders+=($!)
exec 3>"$T/hold"
wait_for "$SILENT silent connections" test -s "$T/held.silent"
for bytes in 8000 80000028 80000064000000010000000000000002000186a3; do
	wait_for "$EACH connections with $bytes" test -s "$T/held.$bytes"
done
! with_plugin || wait_stat connections '>=' $((3 * EACH + SILENT))

for version in 3 4; do
	put "$version" "$T/in" "beside.$version"
	same_file "$T/in" "$T/export/beside.$version" "v$version beside them"
	cp_quiet "$(url "$version" "beside.$version")" "$T/out.$version"
	same_file "$T/in" "$T/out.$version" "v$version beside them, out"
done
raw --count 1000 --interval 1 null || fail "1000 calls beside them"

exec 3>&-
for pid in "${holders[@]}"; do
	wait "$pid" || fail "a holder"
done
! with_plugin || wait_stat connections '<=' 2
raw null
server_stop
