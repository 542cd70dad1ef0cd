#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: rpcbuf-trace shows each call of a real server once, with its name and
# the pages of its size, in every form; filters select as they should; losses
# are reported; an error is one sentence with an exit status of its own.
# Method: a known number of calls of known sizes over NFSv3, and files through
# libnfs over both versions, under a trace in each form; Babeltrace and
# rpcbuf-bench read the files written for them. Losses are made by stopping the
# tracer while more calls come than the ring holds.
#
# One back end: it is about how calls are shown.
source "$(dirname "$0")/lib.sh"
need_plugin "a stock server has no trace"

TRACE=$RPCBUF_BUILD/tools/rpcbuf-trace
MIB=1048576

# trace NAME ARGUMENT…: in the background, its output in $T/NAME, once it traces.
trace() {
	local name=$1
	shift
	"$TRACE" --pid "$SERVER" "$@" >"$T/$name" 2>"$T/$name.said" &
	tracer=$!
	wait_for "the trace $name" grep -qs 'tracing process' "$T/$name.said"
}

# nfs-cp's target must not exist.
read_back() {
	rm -f "$T/back4"
	cp_quiet "$(url 4 file4)" "$T/back4"
}

# end_trace [STATUS]
end_trace() {
	local status=0
	kill -TERM "$tracer" 2>/dev/null || true
	wait "$tracer" || status=$?
	assert_eq "$status" "${1:-0}" "status of the trace"
}

# lines NAME, for wait_for: at least so many have TEXT.
has() {
	(($(grep -cE -e "$2" "$T/$1") >= $3))
}

# expect STATUS TEXT ARGUMENT…: one sentence.
expect() {
	local status=0 expected=$1 text=$2
	shift 2
	timeout 60 "$TRACE" "$@" >"$T/said" 2>&1 </dev/null || status=$?
	if ((status != expected)) || ! grep -qF -e "$text" "$T/said"; then
		fail "rpcbuf-trace $*: status $status (expected $expected), said (expected '$text'): $(head -c 2000 "$T/said")"
	fi
}

server_start
make_file "$T/export/file" 100
make_file "$T/small" 1000
make_file "$T/large" $((5 * MIB))

# Text: the pages of a WRITE are those of its bytes, from any offset in a page.
trace counted
raw --count 100 getattr file
wait_for "the GETATTRs" has counted ' NFS3 GETATTR$' 100
end_trace
assert_eq "$(grep -cE ' NFS3 GETATTR$' "$T/counted")" 100 "GETATTRs"

# It runs as long as requested, and ends by itself.
begin_ms=$(($(date +%s%N) / 1000000))
trace timed --seconds 2
status=0
wait "$tracer" || status=$?
assert_eq "$status" 0 "status of a trace whose time is over"
assert_cmp $(($(date +%s%N) / 1000000 - begin_ms)) '>=' 2000 "milliseconds of a trace of 2 s"

trace text
raw --count 3 write file 0 $MIB <"$T/large"
put 3 "$T/small" file3
put 4 "$T/large" file4
read_back
wait_for "the WRITEs" has text ' NFS3 WRITE$' 4
wait_for "v4" has text ' NFS4 COMPOUND .*PUTFH.* READ' 1
end_trace
grep -qE ' MOUNT3 MNT$' "$T/text" || fail "no MNT: $(<"$T/text")"
for operation in SETCLIENTID SETCLIENTID_CONFIRM OPEN WRITE READ CLOSE; do
	grep -qE " NFS4 COMPOUND( [A-Z_]+)* $operation( |\$)" "$T/text" || fail "no $operation: $(<"$T/text")"
done
! grep -E ' NFS4 .*(\.\.\.| [0-9]+)$' "$T/text" || fail "operations are not found"
grep -E ' NFS[34] ' "$T/text" | awk -v large=$MIB '
	{
		least = int(($4 + 4095) / 4096)
		if ($6 < least || $6 > least + 1) { print "pages: " $0; exit 1 }
		if ($9 < 1 || $9 > $6 || $8 > $6 || $7 + $8 < 0) { print "runs: " $0; exit 1 }
		if ($11 != 0 || $12 < 0 || $13 <= 0) { print "times: " $0; exit 1 }
		if ($14 <= 0 || $15 < 1 || $16 != 0) { print "reply: " $0; exit 1 }
		if ($18 == "WRITE" && $4 > large) n++
		if ($14 > large / 4) {
			reads++
			least = int(($14 + 4095) / 4096)
			if ($15 > 4 && ($15 < least || $15 > least + 1)) { print "pages of the reply: " $0; exit 1 }
		}
	}
	END { if (!reads) { print "no large reply"; exit 1 }
		if (n < 3) { print "large WRITEs: " n + 0; exit 1 } }' || fail "of the above"
grep -qE '^# [0-9]+ calls, 0 lost$' "$T/text" || fail "the sum: $(tail -n 1 "$T/text")"
say "a line for each call"

# Filters, and an end after so many.
trace write --proc write --min-pages 200
trace none --client 127.0.0.2 --client 10.0.0.0/8
none=$tracer
trace v4 --proc NFS4.READ --client 127.0.0.0/8 -N 1
v4=$tracer
raw --count 50 getattr file
raw --count 2 write file 0 $MIB <"$T/large"
raw --count 2 write file 0 5000 <"$T/large"
read_back
wait_for "the end after a READ" has v4 '^# 1 calls' 1
wait "$v4" || fail "the status of a trace that ended by itself: $?"
assert_eq "$(grep -c ' NFS4 COMPOUND .* READ' "$T/v4")" 1 "READs"
tracer=$none
end_trace
assert_eq "$(tail -n 1 "$T/none")" "# 0 calls, 0 lost" "calls of others"

# The others: JSON, histograms, a mix that can be replayed, Babeltrace.
trace json --json
json=$tracer
trace hist --hist --mix "$T/mix"
hist=$tracer
trace ctf --ctf "$T/ctf.d"
ctf=$tracer
raw --count 200 getattr file
raw --count 5 write file 0 $MIB <"$T/large"
read_back
wait_for "the JSON" has json '"CLOSE"' 1
wait_for "the mix" has mix '^25[0-9]$' 5
for tracer in "$json" "$hist" "$ctf"; do
	end_trace
done
python3 - "$T/json" <<'END' || fail "the JSON"
import json, sys
calls = [json.loads(line) for line in open(sys.argv[1])]
assert sum(c["procedure"] == "GETATTR" and c["program"] == "NFS3" for c in calls) == 200
for c in calls:
    assert c["reply_bytes"] > 0 and c["reply_pages"] > 0 and c["reply_reserved"] == 0, c
    assert c["client"] == "127.0.0.1" and 0 < c["pages"] and c["reused"] <= c["pages"], c
    assert c["procedure"] != "COMPOUND" or len(c["operations"]) == c["nr_operations"] > 0, c
END
grep -qE '^[0-9]+ calls, 0 lost$' "$T/hist" || fail "the histograms: $(<"$T/hist")"
assert_eq "$(awk '/^$/ { on = 0 } on { gsub(",", "", $2); sum += $2 } /^pages per call/ { on = 1 } END { print sum }' "$T/hist")" \
	"$(awk '/ calls, / { print $1 }' "$T/hist")" "calls in the histogram of pages"
assert_eq "$(awk '/^$/ { on = 0 } on { gsub(",", "", $2); sum += $2 } /^pages per reply/ { on = 1 } END { print sum }' "$T/hist")" \
	"$(awk '/ calls, / { print $1 }' "$T/hist")" "replies in the histogram of pages"
assert_eq "$(grep -c '^[0-9]' "$T/mix")" "$(awk '/ calls, / { print $1 }' "$T/hist")" "calls in the mix"
"$RPCBUF_BUILD/tools/rpcbuf-bench" alloc --replay "$T/mix" --peers rpcbuf --repeat 3 >"$T/said" 2>&1 ||
	fail "replay: $(<"$T/said")"
babeltrace2 "$T/ctf.d" >"$T/babeltrace" 2>"$T/said" || fail "babeltrace2: $(<"$T/said")"
assert_eq "$(grep -c 'program = "NFS3", procedure = "GETATTR"' "$T/babeltrace")" 200 "GETATTRs that babeltrace2 reads"
grep -q 'reply_pages = [1-9]' "$T/babeltrace" || fail "pages of replies that babeltrace2 reads"
grep -q 'operations = ".*PUTFH.* READ' "$T/babeltrace" || fail "operations that babeltrace2 reads"
assert_eq "$(wc -l <"$T/babeltrace")" "$(wc -l <"$T/json")" "calls that babeltrace2 reads"
say "filters, JSON, histograms, a mix, a trace for Babeltrace"

# Nothing is lost silently.
trace keeper --hist # keeps asking while the other sleeps
keeper=$tracer
for form in --json --ctf; do
	option=("$form")
	[[ $form == --json ]] || option+=("$T/lost.d")
	trace "lost$form" "${option[@]}"
	raw --count 100 getattr file
	kill -STOP "$tracer"
	raw --count 36000 getattr file
	kill -CONT "$tracer"
	raw --count 10 getattr file
	end_trace
	lost=$(awk '/ calls were lost$/ { print $2 }' "$T/lost$form.said")
	assert_cmp "${lost:-0}" '>=' 1000 "lost calls ($form)"
done
assert_eq "$(awk -F '[:}]' '/"lost"/ { sum += $2 } END { print sum }' "$T/lost--json")" \
	"$(awk '/ calls were lost$/ { print $2 }' "$T/lost--json.said")" "lost calls in the JSON"
tracer=$keeper
end_trace
babeltrace2 "$T/lost.d" 2>&1 >/dev/null | grep -qi 'discarded' || fail "babeltrace2 does not tell of losses"
say "losses"

# Bad input.
expect 64 "client nobody: ADDRESS or ADDRESS/BITS is expected" --client nobody
expect 64 "client 1.2.3.4/33" --client 1.2.3.4/33
expect 64 "no procedure or operation is named WRIT" --proc WRIT
expect 64 "no procedure or operation is named NFS3.SEQUENCE" --proc NFS3.SEQUENCE
expect 64 "wait of 10m: a number with" --min-wait 10m
expect 64 "pages of x: a number from 0 to 1024" --min-pages x
expect 64 "exclude each other" --json --hist
expect 64 "count of 0" -N 0
expect 1 "$T/text cannot be written: it exists, and is not an empty folder" --pid "$SERVER" --ctf "$T/text"
expect 1 "$T/ctf.d cannot be written: it exists, and is not an empty folder" --pid "$SERVER" --ctf "$T/ctf.d"
expect 1 "$T/no/mix cannot be written: No such file" --pid "$SERVER" --mix "$T/no/mix"
expect 4 "there is no process 2147483647" --pid 2147483647
expect 5 "process $$ (bash) has no segment" --pid $$
expect 7 "$T/nowhere cannot be read: No such file" --file "$T/nowhere"
expect 8 "$CONF is not a segment of rpcbuf" --file "$CONF"
segment=/dev/shm/$(segment_of "$SERVER")
head -c 5000 "$segment" >"$T/bad"
expect 9 "$T/bad is cut short" --file "$T/bad"
cp "$segment" "$T/bad"
expect 10 "which made $T/bad, has ended" --file "$T/bad"
printf '\x63' | dd of="$T/bad" bs=1 seek=8 conv=notrunc status=none
expect 11 "$T/bad has another version" --file "$T/bad"
status=0
setpriv --reuid=65534 --regid=65534 --clear-groups \
	/proc/self/fd/9 --pid "$SERVER" 9<"$TRACE" >"$T/said" 2>&1 || status=$?
assert_eq "$status $(<"$T/said")" \
	"6 rpcbuf-trace: no permission to read $segment: its user and root may" "another user"
if [[ -w /dev/full ]]; then
	"$TRACE" --pid "$SERVER" >/dev/full 2>"$T/full.said" &
	tracer=$!
	wait_for "the trace" grep -qs 'tracing process\|cannot be written' "$T/full.said"
	raw --count 10 getattr file
	end_trace 1
fi
kill -STOP "$SERVER"
expect 13 "process $SERVER runs but does not answer" --pid "$SERVER"
kill -CONT "$SERVER"

# The end of a server under a trace.
trace last
raw --count 10 getattr file
kill -9 "$SERVER"
wait "$SERVER" 2>/dev/null || true
status=0
wait "$tracer" || status=$?
assert_eq "$status" 10 "status of tracing a server that ends"
grep -q "rpcbuf-trace: process $SERVER (ganesha.nfsd), which made $segment, has ended" "$T/last.said" ||
	fail "its last words: $(<"$T/last.said")"
assert_cmp "$(grep -c ' NFS3 GETATTR$' "$T/last")" '>=' 10 "calls before its end"
SERVER=
