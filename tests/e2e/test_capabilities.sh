#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: no thread of the plug-in keeps a capability that Ganesha gives up when
# it starts (CAP_SYS_RESOURCE: quotas would not apply to writes of such a
# thread).
# Method: the effective capabilities of all threads, under load, must be those
# of a stock server. Where this shell lacks the capability itself, the server
# runs in a user namespace, in which it has all of them, over FSAL_MEM, as VFS
# cannot open files by handle there.
source "$(dirname "$0")/lib.sh"
need_plugin "it compares the plug-in with stock"

CAP_SYS_RESOURCE=24

has_capability() {
	(((16#$1 >> CAP_SYS_RESOURCE) & 1))
}

own() {
	awk '/^CapEff:/ { print $2 }' "/proc/$1/status"
}

# All values among the server's threads, after enough load to have them all.
capabilities() {
	make_file "$T/data" 500000
	for i in 1 2 3 4 5 6 7 8; do
		put 3 "$T/data" "$1.$i" &
	done
	for pid in $(jobs -p); do
		[[ $pid == "$SERVER" ]] || wait "$pid" || fail "a copy failed"
	done
	raw --count 300 --interval 1000 getattr "$1.1"
	cat "/proc/$SERVER"/task/*/status | awk '/^CapEff:/ { print $2 }' |
		sort | uniq -c | awk '{ print $2 }'
}

if ! has_capability "$(own self)"; then
	unshare -Ur true 2>/dev/null ||
		skip "neither CAP_SYS_RESOURCE nor a user namespace here"
	S_WRAP="unshare -Ur"
	S_FSAL=MEM
fi

S_STOCK=1
server_start
stock=$(capabilities stock)
! has_capability "$(own "$SERVER")" || fail "stock has not dropped it, the test is void"
server_stop

S_STOCK=
server_start
ours=$(capabilities ours)
server_stop
assert_eq "$ours" "$stock" "capabilities of the threads"
say "all threads have $ours"
