#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a record over a limit closes its connection and affects no other; the
# log names limit, client and value; a counter rises.
# Method: one kind of abuse after the other, each at its limit (must be
# answered) and one past it (must be closed without an answer), while another
# client makes calls on a connection of its own. Claims of 2 GiB and 200 claims
# of almost the longest record must not show in the server's memory.
source "$(dirname "$0")/lib.sh"
need_plugin "stock Ganesha believes every record mark"

LAST=$((1 << 31))
HEADER_MIN=40
FRAGMENTS_MAX=65536
GROWTH_KIB=32768

# refused COUNTER LIMIT VALUE COMMAND…: the command succeeds if its connection
# was closed.
refused() {
	local counter=$1 limit=$2 value=$3 before lines all
	shift 3
	before=$(stat_get "$counter")
	all=$(stat_get records_refused)
	lines=$(wc -l <"$LOG")
	raw --expect-close "$@" 2>/dev/null || fail "not refused: $*"
	wait_stat "$counter" == $((before + 1))
	assert_eq "$(stat_get records_refused)" $((all + 1)) "records_refused"
	tail -n +$((lines + 1)) "$LOG" | grep 'RPCBUF' | grep -F "$HOST" >"$T/said" ||
		fail "the log does not name the client: $*"
	assert_eq "$(wc -l <"$T/said")" 1 "lines in the log for $*"
	grep -qE "\b$limit\b" "$T/said" || fail "no limit $limit in: $(cat "$T/said")"
	grep -qE "\b$value\b" "$T/said" || fail "no value $value in: $(cat "$T/said")"
}

# A NULL call with empty credentials is exactly as long as a header: 40 bytes.
call_hex() {
	printf '%08x' "$1" 0x77 0 2 100003 3 0 0 0 0 0
}

bystander() {
	local calls=0
	while [[ -e $T/abuse ]]; do
		raw --count 400 --interval 500 getattr bystander || return
		calls=$((calls + 400))
	done
	echo "$calls" >"$T/bystander.calls"
}

server_start
limit=$(sed -n 's/.*RPCBUF.*records up to \([0-9]*\) bytes.*/\1/p' "$LOG")
[[ -n $limit ]] || fail "the log does not say the longest record"
make_file "$T/export/bystander" 100
touch "$T/abuse"
bystander &
bystander=$!

rss=$(server_rss_kib)
refused refused_length "$limit" $((LAST - 1)) --fragment claim:$((2 * LAST - 1)) null
refused refused_length "$limit" $((LAST - 1)) --fragment claim:$((LAST - 1)) null
assert_cmp $(($(server_rss_kib) - rss)) '<' "$GROWTH_KIB" "KiB more than before claims of 2 GiB"

raw --pad "$limit" null || fail "the longest record is refused"
raw --pad "$limit" --fragment every:20001 null || fail "the same in fragments"
refused refused_length "$limit" $((limit + 1)) --pad $((limit + 1)) null
refused refused_length "$limit" "[0-9]+" --pad $((limit + 1)) --fragment every:20001 null

raw --pad "$FRAGMENTS_MAX" --fragment every:1 null || fail "65,536 fragments"
refused refused_fragments "$FRAGMENTS_MAX" $((FRAGMENTS_MAX + 1)) \
	--pad $((FRAGMENTS_MAX + 1)) --fragment every:1 null
raw --fragment "empties:$((FRAGMENTS_MAX - 1))" null || fail "65,535 empty fragments"
refused refused_fragments "$FRAGMENTS_MAX" $((FRAGMENTS_MAX + 1)) \
	--fragment "empties:$((FRAGMENTS_MAX + 1))" null

raw --xid 0x77 bytes "$(call_hex $((LAST | HEADER_MIN)))" || fail "a bare header"
short=$(call_hex $((LAST | (HEADER_MIN - 1))))
refused refused_short "$HEADER_MIN" $((HEADER_MIN - 1)) bytes "${short%??}"
refused refused_short "[0-9]+" 0 bytes 80000000

# As many claims of almost the longest record, all open at once.
rss=$(server_rss_kib)
mkfifo "$T/hold"
raw --connections 200 --wait --fragment claim:$((LAST | limit)) null \
	<"$T/hold" 2>"$T/held" &
holder=$!
exec 3>"$T/hold"
wait_for "200 claims" test -s "$T/held"
wait_stat connections '>=' 200
assert_cmp $(($(server_rss_kib) - rss)) '<' "$GROWTH_KIB" "KiB more than before 200 claims"
raw --count 50 getattr bystander || fail "another client beside 200 claims"
exec 3>&-
wait "$holder" || fail "the holder of 200 connections"

rm "$T/abuse"
wait "$bystander" || fail "the bystander was disturbed"
server_stop
say "refused as they should be; the bystander made $(cat "$T/bystander.calls") calls"
