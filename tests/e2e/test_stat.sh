#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: rpcbuf-stat shows all counters of a server, and rates; it finds the
# server by itself, by process id, name and file; and it reports any error in
# one sentence, with the exit status of its manual page.
# Method: on a real server with some traffic, its figures are compared with the
# statistics file that the server writes as well. For the rates, a program
# publishes figures that grow evenly: means and fractions are then known, and
# rates up to the disturbance by a busy machine. Bad input is made from the
# segment of a killed server. The text for Prometheus is fetched over HTTP.
#
# One back end: it is about how the counters are shown.
source "$(dirname "$0")/lib.sh"
need_plugin "a stock server has no statistics"

STAT=$RPCBUF_BUILD/tools/rpcbuf-stat
mkdir "$T/even" "$T/none"

# expect STATUS TEXT ARGUMENT…: of what it prints, one line has TEXT in it.
expect() {
	local status=0 expected=$1 text=$2
	shift 2
	"$STAT" "$@" >"$T/said" 2>&1 || status=$?
	if ((status != expected)) || ! grep -qF -e "$text" "$T/said"; then
		fail "rpcbuf-stat $*: status $status (expected $expected), said (expected '$text'): $(head -c 2000 "$T/said")"
	fi
}

# expect_fault STATUS TEXT ARGUMENT…: one sentence, nothing else.
expect_fault() {
	expect "$@"
	shift 2
	assert_eq "$(wc -l <"$T/said")" 1 "lines of rpcbuf-stat $*"
}

shows_requests() { "$STAT" --file "$1" --raw 2>/dev/null | grep -q '^requests '; }

# start_publisher NAME: its pid in $publisher, once it has published.
start_publisher() {
	"$BIN/publisher" "$T/even" "$1" &
	publisher=$!
	wait_for "the publisher" shows_requests "$T/even/$(segment_of "$publisher" "$1")"
}

# Figures that the statistics file and the segment both have are equal, and
# shown.
check_shown() {
	local name value
	"$STAT" --pid "$SERVER" --raw >"$T/raw"
	"$STAT" --pid "$SERVER" >"$T/shown"
	grep -qE "^ganesha.nfsd $SERVER, engine [a-z_]+, rpcbuf [0-9.]+, counted now\$" "$T/shown" ||
		fail "the heading: $(head -n 1 "$T/shown")"
	tr -d , <"$T/shown" >"$T/shown.plain"
	while read -r name value; do
		case $name in
		pages_total | pages_out | pages_cached | hist_pages_* | hist_reply_pages_* | threads) continue ;; # named otherwise there; a thread may come
		esac
		assert_eq "$(awk -v n="$name" '$1 == n { print $2 }' "$T/raw")" "$value" "$name in the segment"
		case $name in
		engine | pid) ;;
		*) assert_eq "$(awk -v n="$name" '$1 == n && NF > 2 { print $2 }' "$T/shown.plain")" \
			"$value" "$name as shown" ;;
		esac
	done <"$STATS"
	assert_eq "$(awk '/^$/ { on = 0 } on { sum += $2 } /^calls by the pages/ { on = 1 } END { print sum }' "$T/shown.plain")" \
		"$(stat_get requests)" "calls in the histogram"
}

server_start
for version in 3 4; do
	make_file "$T/in" 1500000
	put "$version" "$T/in" "file$version"
	cp_quiet "$(url "$version" "file$version")" "$T/back$version"
done
# The file is of the last second, the segment of now: they agree when nothing
# happens.
begin=$SECONDS
until (check_shown) 2>"$T/differs"; do
	((SECONDS - begin < 60)) || fail "$(<"$T/differs")"
	sleep 0.2
done
assert_cmp "$(stat_get requests)" '>' 10 "requests"
assert_eq "$(stat_get connections)" 0 "connections"
# The files came back in replies, their data in the pages that they were read
# into.
data=$((3000000 / 4096))
assert_cmp "$(stat_get reply_bytes)" '>' 3000000 "bytes of replies"
assert_cmp "$(stat_get reply_pages)" '>=' $(($(stat_get requests) + data)) "pages of replies"
assert_cmp "$(stat_get reply_pages)" '<' $((4 * $(stat_get requests) + data)) "pages of replies"
assert_eq "$(stat_get reply_reserve_pages) $(stat_get reply_reserve_empty)" "0 0" "pages from the reserve of replies"
assert_eq "$(stat_get unsent_bytes) $(stat_get unsent_kept_bytes)" "0 0" "unsent replies"
assert_eq "$(awk '/^hist_reply_pages_/ { sum += $2 } END { print sum }' "$STATS")" "$(stat_get requests)" "replies in the histogram"
say "shows what the server counts"

# Rates: 21 lines, in the background, meanwhile.
start_publisher even
even=$publisher
"$STAT" --folder "$T/even" 1 21 >"$T/rates" 2>&1 &
watcher=$!

# Found by itself, by name, among several; by process id in the usual folder.
expect 0 "pid $even" --raw --folder="$T/even"
expect 0 "newer_than_the_tool" --folder="$T/even"
expect 0 "pid $even" --raw --folder="$T/even" --name publisher
start_publisher odd
expect 3 "2 programs have a segment in $T/even" --folder="$T/even"
grep -qE "^  --pid $publisher +publisher odd" "$T/said" || fail "the second is not listed: $(<"$T/said")"
expect 0 "pid $publisher" --raw --folder="$T/even" --name odd
kill "$publisher"
wait "$publisher"
expect 0 "pid $even" --raw --folder="$T/even"
expect_fault 2 "no program named odd has a segment in $T/even" --folder="$T/even" --name odd
expect_fault 2 "no program that runs has a segment in $T/none" --folder="$T/none"
expect_fault 2 "no program that runs" --folder="$T/nowhere"
expect 0 "engine" --pid "$SERVER" --raw

# Other forms.
expect 0 '"requests":' --pid "$SERVER" --json
python3 - "$T/said" "$(stat_get requests)" <<'END' || fail "the JSON is not right: $(<"$T/said")"
import json, sys
o = json.loads(open(sys.argv[1]).read())
h = o["histograms"]["pages_per_request"]
assert o["figures"]["requests"] == int(sys.argv[2]) == sum(h["counts"])
assert len(h["le"]) == len(h["counts"]) and h["le"][-1] is None
END
"$STAT" --folder "$T/even" --json 1 2 >"$T/said"
assert_eq "$(wc -l <"$T/said")" 2 "objects"
python3 -c 'import json, sys; [json.loads(l)["rates"]["requests"] for l in sys.stdin]' <"$T/said" ||
	fail "no rates in $(<"$T/said")"

# One family a name, one prefix, counters as Prometheus names them.
check_prometheus() {
	awk '
		/^# HELP / { if (seen[$3]++) { print "twice: " $3; exit 1 } next }
		/^# TYPE / { type[$3] = $4; next }
		!/^rpcbuf_[a-z0-9_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.]+$/ { print "bad: " $0; exit 1 }
		{
			name = $1; sub(/\{.*/, "", name)
			base = name; sub(/_(bucket|sum|count)$/, "", base)
			if (type[base] == "histogram") next
			if (!(name in type)) { print "no type: " $0; exit 1 }
			if ((type[name] == "counter") != (name ~ /_total$/)) { print "name: " $0; exit 1 }
			n++
		}
		END { exit !n }' "$1" || fail "what Prometheus gets ($1)"
}
"$STAT" --pid "$SERVER" --prometheus >"$T/metrics"
check_prometheus "$T/metrics"
grep -qx "rpcbuf_requests_total $(stat_get requests)" "$T/metrics" || fail "requests for Prometheus"
grep -qx 'rpcbuf_records_refused_total{reason="length"} 0' "$T/metrics" || fail "reasons for Prometheus"
grep -qx "rpcbuf_pages_per_request_count $(stat_get requests)" "$T/metrics" || fail "histogram for Prometheus"
grep -qx "rpcbuf_reply_pages_per_request_sum $(stat_get reply_pages)" "$T/metrics" || fail "histogram of replies for Prometheus"
get() {
	python3 -c 'import sys, urllib.request, urllib.error
try: print(urllib.request.urlopen(sys.argv[1]).read().decode(), end="")
except urllib.error.HTTPError as e: print(e.code, e.read().decode(), end="")' "$1"
}
mkdir "$T/http"
port=$((PORT + 7))
until port_is_free "$port"; do port=$((port + 1)); done
"$STAT" --folder "$T/http" --listen "$HOST:$port" >"$T/listen" &
listener=$!
wait_for "the listener" grep -q "serving http://$HOST:$port/metrics" "$T/listen"
assert_eq "$(get "http://$HOST:$port/metrics")" \
	"503 no program that runs has a segment in $T/http" "without a program"
ln "$T/even/$(segment_of "$even" even)" "$T/http/"
get "http://$HOST:$port/metrics" >"$T/metrics"
check_prometheus "$T/metrics"
assert_eq "$(get "http://$HOST:$port/")" "404 the figures are at /metrics" "elsewhere"
expect_fault 14 "cannot listen on $HOST:$port: Address already in use" --listen "$HOST:$port"
expect_fault 14 "ADDRESS:PORT is expected" --listen "$port"
kill "$listener"
wait "$listener" || fail "the listener's exit status is $?"
say "JSON, Prometheus"

# 21 lines under 2 headers; columns that do not depend on the clock are the same
# in all.
wait "$watcher" || fail "watching the even publisher: $(<"$T/rates")"
assert_eq "$(grep -c 'call/s' "$T/rates")" 2 "headers"
assert_eq "$(wc -l <"$T/rates")" 25 "lines of rates"
grep -vE 'call/s|---' "$T/rates" >"$T/lines"
assert_eq "$(awk '{ print $3, $4, $5, $6, $8, $9, $10, $11, $12, $13, $14 }' "$T/lines" | sort -u)" \
	"125 1 512 512 1285 99% 0 0 7 1235k 12" "the means"
awk '$1 < 8000 || $1 > 12500 || $7 < 1600 || $7 > 2500 { exit 1 }' "$T/lines" ||
	fail "the rates: $(<"$T/lines")"
assert_cmp "$(awk '{ if (length > n) n = length } END { print n }' "$T/rates")" '<=' 80 "width"
expect 0 "259" --folder "$T/even" --wide 1 1
assert_eq "$(tail -n 1 "$T/said" | awk '{ print $(NF - 1), $NF }')" "1.50 3072" "pages and unsent KiB of replies"

# The server ends while it is shown; a killed one leaves a segment.
"$STAT" --folder "$T/even" 1 >"$T/until" 2>&1 &
watcher=$!
wait_for "the first line of rates" grep -q 'call/s' "$T/until"
kill "$even"
wait "$even"
status=0
wait "$watcher" || status=$?
assert_eq "$status" 10 "status of watching a program that stops"
assert_eq "$(tail -n 1 "$T/until")" \
	"rpcbuf-stat: process $even (publisher), which made $T/even/$(segment_of "$even" even), has ended" "its last words"
start_publisher dead
kill -9 "$publisher"
wait "$publisher" 2>/dev/null || true
segment=$T/even/$(segment_of "$publisher" dead)
expect 10 "process $publisher (publisher), which made $segment, has ended" --folder "$T/even" --pid "$publisher"
grep -q '^  requests ' "$T/said" || fail "the last counters are not shown: $(<"$T/said")"
expect_fault 10 "has ended" --file "$segment" 1
expect_fault 2 "crashed programs left segments there" --folder "$T/even"

# Bad input.
good=$T/good bad=$T/bad
cp "$segment" "$good"
# scribble OFFSET BYTES: into a copy
scribble() {
	cp "$good" "$bad"
	printf '%b' "$2" | dd of="$bad" bs=1 seek="$1" conv=notrunc status=none
}
expect_fault 4 "there is no process 2147483647" --pid 2147483647
expect_fault 4 "99999999999999999999 is not the id of any process" --pid 99999999999999999999
expect_fault 5 "process $$ (bash) has no segment in $T/none" --folder="$T/none" --pid $$
expect_fault 7 "$T/nowhere cannot be read: No such file" --file "$T/nowhere"
expect_fault 8 "$CONF is not a segment of rpcbuf" --file "$CONF"
expect_fault 8 "is not a segment" --file "$T"
expect_fault 8 "is not a segment" --file /dev/zero
mkfifo "$T/fifo"
expect_fault 8 "is not a segment" --file "$T/fifo"
scribble 0 X
expect_fault 8 "is not a segment" --file "$bad"
for cut in 0 1 10 100 4096 20000 $(($(stat -c %s "$good") - 1)); do
	head -c "$cut" "$good" >"$bad"
	expect_fault 9 "$bad is cut short" --file "$bad"
done
scribble 8 '\x63'
expect_fault 11 "$bad has another version than 1, this tool's" --file "$bad"
scribble 200 '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'
expect_fault 12 "$bad is damaged" --file "$bad"
scribble 8192 '\033[2J'
expect_fault 12 "$bad is damaged" --file "$bad"
scribble 48 '\033[2J'
expect_fault 12 "$bad is damaged" --file "$bad"
expect 64 "interval of 0: a number from 1 to 86400 is expected" 0
expect 64 "count of -1x" 1 -- -1x
expect 64 "Too many arguments" 1 1 1
expect 64 "take no INTERVAL" --raw 1
expect 64 "exclude each other" --raw --json
expect 64 "exclude each other" --pid 1 --name x
expect 0 "rpcbuf-stat " --version
if [[ -w /dev/full ]]; then
	status=0
	"$STAT" --pid "$SERVER" >/dev/full 2>"$T/said" || status=$?
	assert_eq "$status" 1 "status on a full disk"
fi
live=/dev/shm/$(segment_of "$SERVER")
[[ $(stat -c '%a %U' "$live") == "600 $(id -un)" ]] || fail "$live: $(stat -c '%a %U' "$live")"
status=0
setpriv --reuid=65534 --regid=65534 --clear-groups \
	/proc/self/fd/9 --pid "$SERVER" 9<"$STAT" >"$T/said" 2>&1 || status=$?
assert_eq "$status $(<"$T/said")" \
	"6 rpcbuf-stat: no permission to read $live: its user and root may" "another user"
say "bad input"

# A killed server's segment is removed when the next one starts; a stopped one's
# at once.
kill -9 "$SERVER"
wait "$SERVER" 2>/dev/null || true
expect 10 "has ended" --pid "$SERVER"
server_start
[[ ! -e $live ]] || fail "$live is still there"
live=/dev/shm/$(segment_of "$SERVER")
[[ -e $live ]] || fail "$live is not there"
server_stop
[[ ! -e $live ]] || fail "the server leaves $live"
