#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a retransmission (same xid, same connection) is answered from the
# duplicate request cache and not run twice, however it is cut this time.
# Method: REMOVE and guarded CREATE are sent several times, each time after the
# reply to the previous one, in other fragments. Run twice, they would answer
# NFS3ERR_NOENT and NFS3ERR_EXIST. The same calls with a new xid must do just
# that, or the test would not see the difference.
source "$(dirname "$0")/lib.sh"

NOENT=2
EXIST=17
TIMES=8

cuts=(--fragment whole)
if with_plugin; then # stock refuses these
	cuts+=(--fragment every:7 --fragment at:45 --fragment random:3+empty
		--fragment every:1+tail --fragment at:130)
fi

# replayed STATUS COMMAND…: every answer has this status.
replayed() {
	local status=$1
	shift
	raw --replay "$TIMES" "${cuts[@]}" "$@" >"$T/statuses" || true
	assert_eq "$(sort -u "$T/statuses" | paste -s -d ' ')" "$status" "$*"
	assert_eq "$(wc -l <"$T/statuses")" "$TIMES" "replies to $*"
}

server_start
# Names of many lengths put the ends of the calls at many offsets.
for length in 1 2 3 4 7 40 100 127 180 250; do
	name=$(printf "%0${length}d" "$length")
	replayed 0 create "$name" guarded
	[[ -e $T/export/$name ]] || fail "$name was not made"
	replayed "$EXIST" create "$name" guarded
	replayed 0 remove "$name"
	[[ ! -e $T/export/$name ]] || fail "$name is still there"
	replayed "$NOENT" remove "$name"
	replayed 0 create "$name" exclusive
done

# Another call with the xid of an old one is not its replay.
raw --xid 4242 create a guarded || fail "CREATE a"
raw --xid 4242 create b guarded || fail "CREATE b with the xid of CREATE a"
[[ -e $T/export/b ]] || fail "CREATE b was answered in CREATE a's name"
server_stop
