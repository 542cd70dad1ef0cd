#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: programs with equal process ids in different PID namespaces, as servers
# in containers have, that share a folder for segments are all found, and a tool
# never shows the figures of another one than requested.
# Method: two publishers, each the first process of a namespace of its own, and
# a third one outside. The tools run outside and within a namespace.
#
# One back end: no server runs.
source "$(dirname "$0")/lib.sh"
STAT=$RPCBUF_BUILD/tools/rpcbuf-stat
FOLDER=$T/segments
unshare --pid --fork --mount-proc true 2>/dev/null ||
	skip "no PID namespace can be made"

# expect STATUS TEXT ARGUMENT…: rpcbuf-stat with these.
expect() {
	local status=0
	"$STAT" --folder "$FOLDER" "${@:3}" >"$T/said" 2>&1 || status=$?
	assert_eq "$status" "$1" "status of rpcbuf-stat ${*:3}: $(<"$T/said")"
	grep -qF -- "$2" "$T/said" || fail "rpcbuf-stat ${*:3} says: $(<"$T/said")"
}

segments() {
	find "$FOLDER" -name 'rpcbuf-*' | wc -l
}

segments_are() {
	(($(segments) == $1))
}

# contained NAME: a publisher as process 1 of a namespace; its pid here in $inner.
contained() {
	unshare --pid --fork --kill-child --mount-proc "$BIN/publisher" "$FOLDER" "$1" &
	outer=$!
	wait_for "the child of unshare" has_child "$outer"
	inner=$(child_of "$outer")
}

child_of() {
	tr -d ' ' <"/proc/$1/task/$1/children"
}

has_child() {
	[[ -n $(child_of "$1") ]]
}

mkdir "$FOLDER"
contained same
one=$inner one_unshare=$outer
wait_for "the first segment" segments_are 1
contained same
two=$inner two_unshare=$outer
wait_for "the second segment beside it" segments_are 2

expect 3 "2 programs have a segment in $FOLDER; name one:"
grep -q -- "--pid $one .*publisher same" "$T/said" || fail "the first is not named: $(<"$T/said")"
grep -q -- "--pid $two .*publisher same" "$T/said" || fail "the second is not named: $(<"$T/said")"
expect 0 "publisher same $one," --pid "$one"
expect 0 "publisher same $two," --pid "$two"
# Process 1 of this namespace is neither.
expect 5 "process 1 (" --pid 1
say "two of the same id, seen from outside"

# From a third namespace, whose process 1 is the tool: the others are visible
# there only by their files.
status=0
unshare --pid --fork --mount-proc "$STAT" --folder "$FOLDER" >"$T/said" 2>&1 || status=$?
assert_eq "$status" 3 "status within a namespace: $(<"$T/said")"
assert_eq "$(grep -c -- '--file .*publisher same' "$T/said")" 2 "programs named: $(<"$T/said")"
status=0
unshare --pid --fork --mount-proc "$STAT" --folder "$FOLDER" --pid 1 >"$T/said" 2>&1 || status=$?
assert_eq "$status" 5 "status of --pid 1 within a namespace: $(<"$T/said")"
say "... and from a container of their host"

# One is killed: its segment is stale, the other's is not, and the next
# publisher removes the stale one.
kill -9 "$one"
wait "$one_unshare" 2>/dev/null || true
expect 0 "publisher same $two,"
expect 4 "there is no process $one" --pid "$one"
segments_are 2 || fail "the segment of the killed one has gone by itself"
"$BIN/publisher" "$FOLDER" third &
third=$!
wait_for "the third to publish" "$STAT" --folder "$FOLDER" --name third --raw >/dev/null
segments_are 2 || fail "segments: $(ls "$FOLDER")"
expect 0 "publisher third $third," --pid "$third"
expect 0 "publisher same $two," --pid "$two"
kill "$third" "$two"
wait "$third" "$two_unshare" || true
segments_are 0 || fail "left: $(ls "$FOLDER")"
say "a killed one is told from those that live"
