#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: rpcbuf-stat shows what a server counts, all of it and as rates, finds
# the server by file, by process id and by itself, and says of everything else
# in one sentence what is wrong, with the exit status that its manual page lists.
# Method: on a real server that files went through, what it shows is compared with
# the statistics file, line by line. For the rates, whose numbers must not depend
# on when the test looks, a stand-in for the file grows evenly: by the same amount
# for each tenth of a second in its time stamp. The bad input is made from a good
# file, and from servers that are stopped, killed, or write to the default place.
#
# One back end: it is about how the counters are shown.
source "$(dirname "$0")/lib.sh"
need_plugin "a stock server has no statistics"

STAT=$RPCBUF_BUILD/tools/rpcbuf-stat
STEP_MS=100

# expect STATUS TEXT ARGUMENT…: of what it prints, one line has TEXT in it.
expect() {
	local status=0 expected=$1 text=$2
	shift 2
	"$STAT" "$@" >"$T/said" 2>&1 || status=$?
	if ((status != expected)) || ! grep -qF -e "$text" "$T/said"; then
		fail "rpcbuf-stat $*: status $status (expected $expected), said (expected '$text'): $(<"$T/said")"
	fi
}

# expect_fault STATUS TEXT ARGUMENT…: one sentence, nothing else.
expect_fault() {
	expect "$@"
	shift 2
	assert_eq "$(wc -l <"$T/said")" 1 "lines of rpcbuf-stat $*"
}

# Every line of the file $1 is in $T/said, numbers grouped, with a meaning.
check_shown() {
	local name value
	tr -d , <"$T/said" >"$T/shown"
	while read -r name value; do
		case $name in
		engine | pid) grep -qE "^ganesha.nfsd .*\\b$value\\b" "$T/shown" ||
			fail "the heading lacks $name $value: $(head -n 1 "$T/shown")" ;;
		hist_pages_*) ;;
		*) assert_eq "$(awk -v n="$name" '$1 == n && NF > 2 { print $2 }' "$T/shown")" \
			"$value" "$name as shown" ;;
		esac
	done <"$1"
	! grep -q 'not known' "$T/shown" || fail "a counter has no meaning: $(<"$T/shown")"
	assert_eq "$(awk 'on { sum += $2 } /^calls by the pages/ { on = 1 } END { print sum }' "$T/shown")" \
		"$(awk '$1 == "requests" { print $2 }' "$1")" "calls in the histogram"
}

# A file as from a server ($1, its process id) that does the same in each step;
# replaced as a server does it, until it is killed.
grow() {
	local pid=$1 file=$2 start k
	start=$(now_ms)
	while :; do
		k=$((($(now_ms) - start) / STEP_MS))
		awk -v k="$k" -v pid="$pid" '
			$1 == "pid" { $2 = pid }
			$1 == "requests" { $2 = k * 1000 }
			$1 == "bytes_received" { $2 = k * 1310720 }
			$1 == "pages_filled" { $2 = k * 257000 }
			$1 == "bulk_calls" { $2 = k * 20 }
			$1 == "payloads_in_place" { $2 = k * 199 }
			$1 == "payloads_copied" { $2 = k }
			$1 == "sleeps" || $1 == "records_refused" { $2 = 5 }
			$1 == "connections" { $2 = 7 }
			$1 == "threads" { $2 = 4 }
			$1 == "pages_out" { $2 = 1234567 }
			$1 == "pages_cached" { $2 = 12 }
			/^hist_pages_/ { $2 = 0 }
			$1 == "hist_pages_1" { $2 = k * 600 }
			$1 == "hist_pages_64" { $2 = k * 395 }
			$1 == "hist_pages_512" { $2 = k * 5 }
			{ print }' "$T/good" >"$file.new"
		touch -d "@$(awk -v ms=$((start + k * STEP_MS)) 'BEGIN { printf "%.3f", ms / 1000 }')" "$file.new"
		mv "$file.new" "$file"
		sleep 0.3
	done
}

server_start
for version in 3 4; do
	make_file "$T/in" 1500000
	put "$version" "$T/in" "file$version"
	cp_quiet "$(url "$version" "file$version")" "$T/back$version"
done
wait_stat requests '>' 10
wait_stat connections == 0

# What does not change meanwhile: a copy.
cp "$STATS" "$T/good"
expect 0 "pages that bulk calls put into request vectors" "$T/good"
check_shown "$T/good"
"$STAT" --raw "$T/good" | cmp - "$T/good" || fail "--raw is not the file"
expect 0 "ganesha.nfsd $SERVER, engine $(stat_get engine), counted" "$STATS"
say "shows each of $(wc -l <"$T/good") lines"

# Rates: 21 lines, in the background, while the rest goes on.
grow "$SERVER" "$T/growing" &
grower=$!
wait_for "the growing file" test -s "$T/growing"
"$STAT" "$T/growing" 1 21 >"$T/rates" 2>&1 &
watcher=$!

# Found by itself, among several, by process id.
mkdir "$T/run" "$T/none" "$T/two"
ln -s "$STATS" "$T/run/$SERVER"
sed 's/^pid .*/pid 2147483647/' "$T/good" >"$T/run/2147483647"
expect 0 "pid $SERVER" --raw --folder="$T/run"
expect 0 "pid $SERVER" --raw --folder="$T/run" -
expect 0 "pid $SERVER" --raw --folder="$T/run" "$SERVER"
expect 0 "call/s" --folder="$T/run" - 1 1
expect_fault 2 "no running server writes its statistics to $T/none" --folder="$T/none"
expect_fault 2 "no running server" --folder="$T/nowhere"
ln -s "$STATS" "$T/two/$SERVER"
sed "s/^pid .*/pid $grower/" "$T/good" >"$T/two/$grower"
expect 3 "2 servers write their statistics to $T/two" --folder="$T/two"
grep -q "^ *$SERVER  ganesha.nfsd .*" "$T/said" || fail "the server is not listed: $(<"$T/said")"
grep -q "^ *$grower  " "$T/said" || fail "the other is not listed: $(<"$T/said")"

# Bad input.
expect_fault 4 "there is no process 2147483647" 2147483647
expect_fault 4 "99999999999999999999 is not the id of any process" 99999999999999999999
expect_fault 5 "process $grower (bash) has no statistics in $T/none" --folder="$T/none" "$grower"
expect_fault 5 "for rates every 1 s: rpcbuf-stat - 1" --folder="$T/none" 1
expect_fault 7 "$T/nowhere cannot be read: No such file" "$T/nowhere"
expect_fault 8 "is not a statistics file of rpcbuf: it does not begin like one" "$CONF"
expect_fault 8 "it is not a regular file" "$T"
expect_fault 8 "it is not a regular file" /dev/zero
mkfifo "$T/fifo"
expect_fault 8 "it is not a regular file" "$T/fifo"
head -c 100000 /dev/zero >"$T/bad"
expect_fault 8 "it is too long" "$T/bad"
{ head -n 5 "$T/good"; printf 'a\0b 1\n'; } >"$T/bad"
expect_fault 8 "it is not text" "$T/bad"
sed 's/^bulk_calls .*/bulk_calls many/' "$T/good" >"$T/bad"
expect_fault 8 "its line 5 is not a name and a number" "$T/bad"
sed 's/^bulk_calls .*/bulk_calls 18446744073709551616/' "$T/good" >"$T/bad"
expect_fault 8 "its line 5 is not" "$T/bad"
sed '/^pid /d' "$T/good" >"$T/bad"
expect_fault 8 "it names no process" "$T/bad"
sed '/^bulk_calls /d' "$T/good" >"$T/bad"
expect_fault 8 "has no counter bulk_calls: it was written by another version" "$T/bad" 1 1
expect 0 "pages_filled" "$T/bad"
sed 's/^bulk_calls /newer_counter /' "$T/good" >"$T/bad"
expect 0 "(not known to this rpcbuf-stat)" "$T/bad"
: >"$T/bad"
expect_fault 9 "is empty" "$T/bad"
size=$(stat -c %s "$T/good")
for cut in 1 10 100 $((size / 2)) $((size - 1)); do
	head -c "$cut" "$T/good" >"$T/bad"
	expect_fault 9 "is cut short" "$T/bad"
done
expect 64 "interval of 0: a number from 1 to 86400 is expected" "$STATS" 0
expect 64 "count of -1x" "$STATS" 1 -- -1x
expect 64 "Too many arguments" "$STATS" 1 1 1
expect 64 "without an interval" --raw "$STATS" 1
expect 0 "rpcbuf-stat " --version
if [[ -w /dev/full ]]; then
	status=0
	"$STAT" "$STATS" >/dev/full 2>"$T/said" || status=$?
	assert_eq "$status" 1 "status on a full disk"
fi
# The folder of the test is for its user alone.
status=0
setpriv --reuid=65534 --regid=65534 --clear-groups \
	/proc/self/fd/9 "$STATS" 9<"$STAT" >"$T/said" 2>&1 || status=$?
assert_eq "$status $(<"$T/said")" "6 rpcbuf-stat: no permission to read $STATS" "another user"

# The end of a server: under a watcher, and afterwards.
"$STAT" "$STATS" 1 >"$T/until" 2>&1 &
until_end=$!
wait_for "the first line of rates" grep -q 'call/s' "$T/until"
server=$SERVER
cp -p "$STATS" "$T/before"
wait "$watcher" || fail "watching the growing file: $(<"$T/rates")"
kill "$grower"
server_stop
status=0
wait "$until_end" || status=$?
assert_eq "$status" 10 "status of watching a server that stops"
assert_eq "$(tail -n 1 "$T/until")" \
	"rpcbuf-stat: process $server, which wrote $STATS, has ended" "its last words"
expect 10 "process $server, which wrote $STATS, has ended" "$STATS"
grep -q '^  requests ' "$T/said" || fail "the last counters are not shown: $(<"$T/said")"
expect_fault 10 "has ended" "$STATS" 1
# A later process with the same id: this shell, which began after 1970.
sed "s/^pid .*/pid $$/" "$T/good" >"$T/other"
touch -d @1000 "$T/other"
expect 10 "process $$, which wrote $T/other, has ended" "$T/other"

# 21 lines under 2 headers, each line the same, whichever writes were compared.
assert_eq "$(grep -c 'call/s' "$T/rates")" 2 "headers"
assert_eq "$(wc -l <"$T/rates")" 25 "lines of rates"
assert_eq "$(grep -vE 'call/s|---' "$T/rates" | sort -u)" \
	" 10000  12.5   257    1   64  512   200   99%     0     0     7   4 1235k    12" "the rates"
assert_cmp "$(awk '{ if (length > n) n = length } END { print n }' "$T/rates")" '<' 80 "width"
say "rates, bad input, servers that end"

# The default place, which may be in a /run of the server's own.
pick_port
server_configure
sed -i '/Statistics = /d' "$CONF"
server_launch
STATS=/proc/$SERVER/root/run/rpcbuf/$SERVER
server_wait || fail "the server without a parameter Statistics does not start"
expect 0 "pid $SERVER" --raw "$SERVER"
kill "$SERVER"
wait "$SERVER" || fail "the server's exit status is $?"
[[ ! -e /run/rpcbuf/$SERVER ]] || fail "the server leaves /run/rpcbuf/$SERVER"
expect_fault 4 "there is no process $SERVER" "$SERVER"
SERVER=
say "the default place"
