#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: under mixed load a server loses no reply, gives none twice, mixes no
# bytes up, and is afterwards as before: no call, no page and no connection is
# left, memory was returned, and large payloads were not copied.
# Method: clients of both versions write and read, large and small, in one go
# and one by one, in odd fragments, beside some that close in the middle, for
# RPCBUF_SOAK_SECONDS. Every reply is checked by its xid, every byte by a hash
# or a comparison. `ctest -C soak -L soak` runs it for longer.
source "$(dirname "$0")/lib.sh"

SUITE_SECONDS=15
DURATION=${RPCBUF_SOAK_SECONDS:-$SUITE_SECONDS}
GROWTH_KIB=49152
IN_PLACE_PERCENT=95

# while_time COMMAND…: repeats it; prints the number of times.
while_time() {
	local rounds=0
	while (($(now_ms) < END_MS)); do
		"$@" || fail "$*, round $rounds"
		rounds=$((rounds + 1))
	done
	echo "$rounds" >"$T/rounds.$BASHPID"
}

large_writes() {
	local size
	for size in 65536 262144 1048576; do
		"$BIN/payloads" "$PORT" "$MOUNT_PORT" "$EXPORT" "large.$1" "$1" \
			"$2" "$size" 30 alone >/dev/null || return
	done
}

mixed_writes() {
	"$BIN/payloads" "$PORT" "$MOUNT_PORT" "$EXPORT" mixed 3 sys 8192 100 \
		mixed >/dev/null
}

random_writes() {
	"$BIN/nfs_write" --writes 300 --seed "$RANDOM" random \
		"$(url "$1" "random.$1")" "$T/random.$1" >/dev/null || return
	same_file "$T/random.$1" "$EXPORT/random.$1" "random writes over v$1"
	raw remove "random.$1" && rm -f "$T/random.$1"
}

copies() {
	put "$1" "$T/in" "copy.$1"
	cp_quiet "$(url "$1" "copy.$1")" "$T/out.$1"
	same_file "$T/in" "$T/out.$1" "a copy over v$1"
	raw remove "copy.$1" && rm -f "$T/out.$1"
}

small_calls() {
	raw --count 2000 getattr in || return
	raw --count 500 read in 0 4096 >/dev/null || return
	# Replies may overtake each other, so these come one by one.
	raw --count 300 --interval 1 read in 0 4096 >"$T/read" || return
	cmp -s -n $((300 * 4096)) "$T/read" "$EXPORT/in" || fail "wrong bytes of READs"
}

# Payloads in fragments cannot lie in one piece, so there are none among these.
odd_fragments() {
	with_plugin || return 0
	raw --count 500 --fragment random:5 --fragment every:7+empty \
		--fragment at:41+tail getattr in
}

vanishing() {
	raw --count 20 --leave --fragment claim:0x80080000 null
	raw --count 50 --leave getattr in
	sleep 0.1
}

run_load() {
	local pid
	pids=()
	END_MS=$(($(now_ms) + $1 * 1000))
	for part in "large_writes 3 sys" "large_writes 4 none" mixed_writes \
		"random_writes 3" "random_writes 4" "copies 3" "copies 4" \
		small_calls odd_fragments vanishing; do
		# shellcheck disable=SC2086 # words
		while_time $part &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "a part of the load: see above"
	done
	say "rounds of each part: $(cat "$T"/rounds.* | paste -s -d ' ')"
	rm -f "$T"/rounds.*
}

# shellcheck disable=SC2317 # called through wait_for
rss_at_most() {
	(($(server_rss_kib) <= $1))
}

# Ganesha keeps the replies of a connection for ten minutes after its end, in
# case it comes back (DRC_TCP_Recycle_Expire_S): more memory than all that this
# test looks for.
((DURATION <= SUITE_SECONDS)) || S_CORE="DRC_Disabled = true;"
pick_port
server_configure
sed -i 's/SecType = sys;/SecType = none, sys;/' "$CONF"
S_KEEP_PORTS=1 server_start
make_file "$T/in" 4000000
cp "$T/in" "$EXPORT/in"
: >"$EXPORT/large.3"
: >"$EXPORT/large.4"
: >"$EXPORT/mixed"
chmod 666 "$EXPORT"/*
run_load 1 # what a server keeps once it has served
! with_plugin || wait_stat connections == 0
rss=$(server_rss_kib)
run_load "$DURATION"
server_alive
wait_for "the memory to go back" rss_at_most $((rss + GROWTH_KIB))
if with_plugin; then
	wait_stat connections == 0
	wait_stat in_flight == 0
	wait_stat held_pages == 0
	in_place=$(stat_get payloads_in_place)
	copied=$(stat_get payloads_copied)
	say "$(stat_get requests) calls, $in_place payloads in place, $copied copied," \
		"$rss KiB before, $(server_rss_kib) KiB after"
	assert_cmp $((100 * in_place)) '>=' \
		$((IN_PLACE_PERCENT * (in_place + copied))) "payloads in place, of $((in_place + copied))"
fi
server_stop
