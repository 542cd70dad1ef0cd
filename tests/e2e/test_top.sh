#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: rpcbuf-top shows the clients of a program: their pages, the length of
# their waits, their refused calls and the reason; in the requested order and on
# any screen; it outlives the program, and reports errors in one sentence.
# Method: a program publishes 60 clients whose figures are known; batch mode
# must print them. Then on terminals of two sizes in tmux, with keys sent to it,
# and on one that is resized: the screens must show the effect of the keys.
# Last, a real server with a client connected.
#
# One back end: it is about how clients are shown.
source "$(dirname "$0")/lib.sh"
need_plugin "a stock server shows no clients"

TOP=$RPCBUF_BUILD/tools/rpcbuf-top
CLIENTS=60
mkdir "$T/many" "$T/none"

# expect STATUS TEXT ARGUMENT…: one line, with TEXT in it (with 64, the first).
expect() {
	local status=0 expected=$1 text=$2
	shift 2
	"$TOP" --batch "$@" >"$T/said" 2>&1 || status=$?
	if ((status != expected)) || ! head -n 1 "$T/said" | grep -F -e "$text" >/dev/null; then
		fail "rpcbuf-top $*: status $status (expected $expected), said (expected '$text'): $(head -c 2000 "$T/said")"
	fi
	((status == 64)) || assert_eq "$(wc -l <"$T/said")" 1 "lines of rpcbuf-top $*"
}

# table ARGUMENT…: one picture, in $T/picture; its rows in $T/rows.
table() {
	"$TOP" --batch --count 1 --delay 0.2 --folder "$T/many" "$@" >"$T/picture" ||
		fail "rpcbuf-top $*: status $?"
	sed '1,/^CLIENT/d; /^$/d' "$T/picture" >"$T/rows"
}

start_publisher() {
	"$BIN/publisher" "$T/many" many "$CLIENTS" &
	publisher=$!
	wait_for "the publisher" test -s "$T/many/$(segment_of "$publisher" many)"
	wait_for "its clients" shows_clients
}

shows_clients() {
	table 2>/dev/null
	(($(wc -l <"$T/rows") == CLIENTS))
}

# columns NAME…: these of the rows, one blank between.
columns() {
	awk -v heading="$(grep '^CLIENT' "$T/picture")" -v wanted="$*" '
		BEGIN { n = split(heading, title); for (i = 1; i <= n; i++) at[title[i]] = i
			w = split(wanted, name) }
		{ line = ""; for (i = 1; i <= w; i++) line = line (i > 1 ? " " : "") $at[name[i]]
			print line }' "$T/rows"
}

# ------------------------------------------------------------------ batch mode

start_publisher
# Client i holds 3 i pages; the last has an IPv6 address; every fourth waits.
table
assert_eq "$(columns CLIENT CONN HELD PART | sed -n 1,2p)" \
	$'2001:db8::1 60 180 720.0K\n10.0.0.59 59 177 708.0K' "the clients with most pages"
assert_eq "$(columns CLIENT WAIT WAITS REFUSED WHY LONG SHORT LATE | grep '^10.0.0.40 ')" \
	"10.0.0.40 10 40 41 long 40 0 1" "a client that waits and was refused"
assert_eq "$(columns CLIENT QUEUED KEPT | grep '^10.0.0.40 ')" "10.0.0.40 40.0K 160.0K" "whose replies are unsent"
grep -E '^Replies .* MiB/s, pages each: .*; 3.0 MiB unsent keep 4.0 MiB; reserve used 9 times, empty 3$' "$T/picture" >/dev/null ||
	fail "the replies: $(<"$T/picture")"
assert_eq "$(columns CLIENT WAIT SINCE REFUSED WHY | grep '^10.0.0.41 ')" \
	"10.0.0.41 0 - 0 -" "a client without waits and refusals"
# So long ago that a slow machine is still within the minute: 10 i seconds.
columns CLIENT SINCE | grep -E '^10\.0\.0\.56 (9|1[0-9])m[0-9][0-9]s$' >/dev/null ||
	fail "since when 10.0.0.56 waits: $(columns CLIENT SINCE | grep '^10.0.0.56 ')"
# i calls a millisecond; the two clocks are not read at the same time.
table --delay 1
calls=$(columns CLIENT CALL/s | awk '$1 == "10.0.0.5" { print int($2) }')
assert_cmp "$calls" '>' 2500 "calls of 10.0.0.5 per second"
assert_cmp "$calls" '<' 10000 "calls of 10.0.0.5 per second"
grep -E "^[0-9:]{8}  publisher $publisher many   $CLIENTS clients, 7 connections\$" "$T/picture" >/dev/null ||
	fail "the heading: $(head -n 1 "$T/picture")"
grep -F 'Refused  5 calls: 5 long,' "$T/picture" >/dev/null || fail "$(<"$T/picture")"
table --sort held --reverse
assert_eq "$(columns CLIENT | sed -n 1,2p)" $'10.0.0.1\n10.0.0.2' "the smallest first"
table --sort SINCE
assert_eq "$(columns CLIENT | sed -n '2p')" 10.0.0.56 "the second that waits the longest"
table --sort client
assert_eq "$(columns CLIENT | sed -n '$p')" 2001:db8::1 "the last address"
"$TOP" --batch -n 3 -d 0.1 --folder "$T/many" >"$T/said"
assert_eq "$(grep -c '^CLIENT' "$T/said")" 3 "pictures"
say "batch mode shows $CLIENTS clients"

# ------------------------------------------------------------------- bad input

expect 2 "no program that runs has a segment in $T/none" --folder "$T/none"
expect 2 "no program named odd has a segment in $T/many" --folder "$T/many" --name odd
expect 4 "there is no process 4194305" --pid 4194305
expect 5 "has no segment in" --pid $$
expect 7 "$T/none/nothing" --file "$T/none/nothing"
expect 8 "is not a segment of rpcbuf" --file "$0"
expect 64 "delay of 0: a number from 0.1 to 3600 is expected" --delay 0
expect 64 "delay of 1s: a number from 0.1 to 3600 is expected" --delay 1s
expect 64 "count of -1: a number from 1 to 1000000000 is expected" --count=-1
expect 64 "there is no column size: rpcbuf-top(1) lists them" --sort size
status=0
"$TOP" --folder "$T/many" >"$T/said" 2>&1 || status=$?
assert_eq "$status: $(<"$T/said")" \
	"1: rpcbuf-top: standard input or output is not a terminal; --batch prints plain text" "without a terminal"
"$TOP" --batch --delay 0.1 --folder "$T/many" >"$T/said" 2>"$T/said.end" &
watcher=$!
wait_for "a picture" grep -s CLIENT "$T/said" >/dev/null
kill "$publisher"
status=0
wait "$watcher" || status=$?
assert_eq "$status" 10 "exit status when the program ends"
assert_eq "$(wc -l <"$T/said.end") $(grep -c "process $publisher (publisher), which made .* has ended" "$T/said.end")" \
	"1 1" "sentences about the end"

# ------------------------------------------------------------------ the screen

command -v tmux >/dev/null || skip "tmux is not installed; batch mode is right"
start_publisher
setpriv --pdeathsig KILL tmux -D -S "$T/tmux" -f /dev/null >/dev/null 2>&1 3>&- &
wait_for "tmux" test -S "$T/tmux"

tm() { tmux -S "$T/tmux" "$@"; }
# A window of that size with rpcbuf-top in it; at its end its status is shown.
window() {
	tm new-session -d -s "$1" -x "$2" -y "$3" \
		"$TOP --folder $T/many --delay 0.5; echo status \$?; exec sleep 1000"
	NAME=$1
}
screen() { tm capture-pane -p -t "$NAME"; }
line_has() { screen | sed -n "$1p" | grep -E -e "$2" >/dev/null; }
# see LINE PATTERN: until that line of the screen, or any, shows it.
see() {
	local end=$(($(now_ms) + 60000))
	until line_has "$1" "$2"; do
		(($(now_ms) < end)) || fail "line $1 does not come to '$2': $(screen)"
		sleep 0.05
	done
}
goes_on() { [[ $(screen | sed -n 1p) != "$before" ]]; }
keys() { tm send-keys -t "$NAME" "$@"; }

window small 80 24
see 1 "publisher $publisher many   60 clients, 7 connections"
see 2 '^Calls +[0-9]+/s'
see 3 '^Replies +[0-9]+ MiB/s'
see 8 '^CLIENT +CONN +HELD +PART +WAIT +SINCE +FLIGHT +CALL/s +MiB/s REFUSED +WHY$'
see 9 '^2001:db8::1 +60 +180 '
see 24 '^1-15 of 60 by HELD   h help  q quit'
keys Down Down
see 24 '^3-17 of 60 '
see 9 '^10\.0\.0\.58 '
keys End
see 24 '^46-60 of 60 '
keys r
see 24 '^1-15 of 60 by HELD reversed'
see 9 '^10\.0\.0\.1 '
keys r S
see 24 'by SINCE '
see 10 '^10\.0\.0\.56 .* (9|1[0-9])m'
keys Left
see 24 'by WAIT '
keys Right Right
see 24 'by FLIGHT '
keys h
see 1 '^q  quit'
see '1,$' '^E  LATE '
keys h
see 24 'by FLIGHT '
keys p
see 24 'PAUSED'
before=$(screen | sed -n 1p)
sleep 1.5
assert_eq "$(screen | sed -n 1p)" "$before" "the first line while it is paused"
keys p
wait_for "the time to go on" goes_on

# Resized, down to a size where hardly anything fits, and back.
tm resize-window -t "$NAME" -x 30 -y 9
see 8 '^CLIENT +.*FLIGHT$'
tm resize-window -t "$NAME" -x 10 -y 3
see 1 '^[0-9:]{8}  $|^[0-9:]{8}$'
tm resize-window -t "$NAME" -x 80 -y 24
see 24 'by FLIGHT '
keys H
see 9 '^2001:db8::1 '

window large 200 50
see 8 ' FLIGHT +BUSY +UNSENT +QUEUED +KEPT +CALL/s +MiB/s +SENT/s +REFUSED +WHY +LONG +FRAG +SHORT +LATE$'
see 50 '^1-41 of 60 by HELD'
see 9 '^2001:db8::1 +60 +180 +720.0K +15 +[0-9]+m[0-9]+s +60 '

# It outlives the program, and finds the next.
kill "$publisher"
see 50 "process $publisher \(publisher\) has ended; waiting for another\.   q quits"
see 9 '^2001:db8::1 '
start_publisher
see 1 "publisher $publisher many "
see 50 '^1-41 of 60 by HELD'
kill "$publisher"
see 50 "process $publisher .*has ended"
keys q
see '1,$' '^rpcbuf-top: process .* has ended$'
see '1,$' '^status 10$'
say "the screen shows them at 80x24 and 200x50"

# --------------------------------------------------------------- a real server

# of_server COLUMN…: these of the only client of the server.
of_server() {
	"$TOP" --batch --count 1 --delay 0.1 --pid "$SERVER" >"$T/picture" ||
		fail "rpcbuf-top --pid $SERVER: status $?"
	sed '1,/^CLIENT/d; /^$/d' "$T/picture" >"$T/rows"
	columns "$@"
}
shows() { [[ $(of_server "${@:2}") == "$1" ]]; }

server_start
# A record of which 100 bytes have come; and one on another connection that is
# longer than allowed.
exec 4<>"/dev/tcp/$HOST/$PORT" 5<>"/dev/tcp/$HOST/$PORT"
printf '\x80\x00\x10\x00' >&4
head -c 100 /dev/zero >&4
wait_for "the client that holds a page" shows "$HOST 2 1 104 0 0 -" CLIENT CONN HELD PART WAIT REFUSED WHY
printf '\xff\xff\xff\xff' >&5
wait_for "the client that is refused" shows "$HOST 1 1 104 1 long 1" CLIENT CONN HELD PART REFUSED WHY LONG
exec 4>&- 5>&-
wait_for "the client to go" shows "" CLIENT
server_stop
say "a real server's client holds a page and is refused"
