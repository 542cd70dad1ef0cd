#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: rpcbuf-bench nfs measures the three forms of the server, servers that
# already run, and a mounted file system; goes on with an interrupted run; and
# refuses bad input with the exit status that its manual page lists. What it
# measures is not judged.
# Method: the smallest runs with the real servers and the real fio. One is
# interrupted as from a terminal after its first sample, with a line cut in half
# behind it, and resumed; the servers that it started must be gone. A local folder
# stands for the mounted file system, whose client is the kernel's business.
#
# One back end: it is about the measurement.
set -m # a job gets a process group and its SIGINT, as at a terminal
source "$(dirname "$0")/lib.sh"
need_plugin "it starts its servers itself"

FIO=$RPCBUF_SOURCE/build/fio/fio
[[ -x $FIO ]] || skip "there is no $FIO (tools/setup --fio builds it)"
BENCH=$RPCBUF_BUILD/tools/rpcbuf-bench
SMALL=(--fio "$FIO" --size 4 --seconds 1 --repeat 1)
mkdir "$T/mounted"

# expect STATUS TEXT ARGUMENT…: of what it prints, one line has TEXT in it.
expect() {
	local status=0 expected=$1 text=$2
	shift 2
	"$BENCH" nfs "$@" >"$T/said" 2>&1 || status=$?
	if ((status != expected)) || ! grep -qF -e "$text" "$T/said"; then
		fail "nfs $*: status $status (expected $expected), said (expected '$text'): $(<"$T/said")"
	fi
}

# check FILE CODE: python's asserts on `head` and `samples`, by (case, side).
check() {
	python3 - "$1" <<END || fail "$1 is not what it should be: $(<"$1")"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
head = lines[0]
samples = {(s["case"], s["side"]): s for s in lines if s.get("type") == "sample"}
settings = head["settings"]
$2
END
}

# Our servers, by the folder that they were told to run in.
servers() { pgrep -f "ganesha.nfsd.*$T/logs/" || true; }

# ---------------------------------------- the forms that it starts, interrupted
mkdir "$T/logs"
export TMPDIR=$T/logs
# Whoever starts this test may ignore SIGINT, as shells do for background jobs.
env --default-signal=INT "$BENCH" nfs "${SMALL[@]}" --dir "$T/export" --output "$T/r" \
	--cases 4k-mixed-qd2,64k-write-qd2 >"$T/said" 2>&1 &
bench=$!
wait_for "the first sample" grep -qs '"type": "sample"' "$T/r"
[[ -n $(servers) ]] || fail "no server of its own runs"
kill -INT -- "-$bench"
status=0
wait "$bench" || status=$?
assert_eq "$status" 130 "status after an interruption: $(<"$T/said")"
grep -qF -e "--resume $T/r" "$T/said" || fail "does not say how to go on: $(<"$T/said")"
assert_eq "$(servers)" "" "servers left behind"
say "interrupted: $(grep -c sample "$T/r") of 6 samples"

printf '{"type": "sample", "case": "4k-mi' >>"$T/r"
expect 0 "rpcbuf" --fio "$FIO" --dir "$T/export" --resume "$T/r" --markdown
grep -q '^| 4 KiB mixed 70/30, depth 2 | ' "$T/said" || fail "no Markdown: $(<"$T/said")"
check "$T/r" '
assert len(lines) == len([l for l in lines if l["type"] in ("run", "sample", "resumed")])
assert [s["name"] for s in settings["sides"]] == ["stock", "jemalloc", "rpcbuf"]
assert "RTLD_DEEPBIND" in settings["sides"][1]["note"]
assert len(samples) == 6
for s in samples.values():
    for key in ("ops", "ops_per_s", "mib_per_s", "p50_us", "p99_us", "p999_us",
                "cpu_us_per_op", "voluntary_per_op", "involuntary_per_op",
                "peak_kib", "foreign_share", "client_cpu_us_per_op"):
        assert s[key] >= 0, key
    assert s["ops"] > 0 and s["peak_kib"] > 1000 and len(s["resident"]) > 2
    assert ("pages_per_request" in s) == (s["side"] == "rpcbuf"), s
write = samples["64k-write-qd2", "rpcbuf"]
assert write["pages_per_request"] > 10, write["pages_per_request"]
assert sum(write["pages_histogram"]["counts"]) == write["requests"] > 0
'
[[ ! -e $(echo "$T"/export/rpcbuf-bench.*) ]] || fail "the exported folder stays"
# Whole: nothing is measured again.
expect 0 "rpcbuf" --fio "$FIO" --resume "$T/r"
"$RPCBUF_BUILD/tools/rpcbuf-report" "$T/r" -o "$T/page" --markdown >"$T/said" ||
	fail "no report"
grep -q '^| 4 KiB mixed 70/30, depth 2 | ' "$T/said" || fail "the report in Markdown: $(<"$T/said")"
for text in '<h3>Pages per request' '<h3>Memory over time' RTLD_DEEPBIND '</html>'; do
	grep -q "$text" "$T/page" || fail "the page has no $text"
done
say "resumed, reported"

# --------------------------------------------------------- servers that run
server_start
expect 0 "first" "${SMALL[@]}" --cases 4k-randread-qd1 --output "$T/running" \
	--server "first=$(url 3 '' | sed 's|/?|?|; s|&version=3||'),$SERVER" \
	--server "second=$(url 3 '' | sed 's|/?|?|; s|&version=3||')"
check "$T/running" '
first, second = (samples["4k-randread-qd1", side] for side in ("first", "second"))
assert first["cpu_us_per_op"] > 0 and first["pages_per_request"] >= 0
assert "cpu_us_per_op" not in second and second["ops_per_s"] > 0
'
server_stop

# -------------------------------------------------------------- a mount point
expect 0 "local" "${SMALL[@]}" --cases 4k-randwrite-qd4,64k-mixed-qd1-x2 \
	--mount "local=$T/mounted,$$" --output "$T/mount"
check "$T/mount" 'assert len(samples) == 2 and all(s["ops"] > 0 for s in samples.values())'
say "running servers, a mount point"

# ------------------------------------------------------------------ bad input
run=(--mount "$T/mounted" --fio "$FIO")
expect 0 "4k-randread-qd1-x4" --list --rw randread --bs 4k --connections 4
expect 64 "there is no such case" --cases 4k-readd-qd1
expect 64 "--bs 2m: not understood" --bs 2m
expect 64 "--depth 0" --depth 0
expect 64 "a number from 1 to 99 is expected" --repeat 100
expect 64 "--only none: one of stock, jemalloc, rpcbuf" --only none --list
expect 64 "NAME=nfs://HOST/PATH" --server localhost
expect 64 "is not a folder" --mount "$T/nowhere"
expect 64 "two sides have the name mount" --mount "$T/mounted" --mount "$T/mounted"
expect 64 "one or the other" --serve x --mount "$T/mounted"
expect 64 "unrecognized arguments" --nothing
expect 3 "there is no process 2147483647" --mount "$T/mounted,2147483647"
expect 3 "no-serve: No such file" --fio "$FIO" --serve "$T/no-serve" --output "$T/none"
expect 4 "there is no fio at $T/fio" --mount "$T/mounted" --fio "$T/fio"
printf '#!/bin/sh\necho libaio\n' >"$T/fio"
chmod +x "$T/fio"
expect 4 "$T/fio has no nfs engine" --server a=nfs://127.0.0.1/x --fio "$T/fio"
expect 1 "$T/r exists; --resume $T/r goes on with it" "${run[@]}" --output "$T/r"
expect 1 "cannot be written: No such file" "${run[@]}" --output "$T/nowhere/r"
expect 5 "$T/nowhere cannot be read: No such file" --resume "$T/nowhere"
expect 6 "has no results of rpcbuf-bench nfs" --resume "$BENCH"
echo '{}' >"$T/bad"
expect 6 "has no results of rpcbuf-bench nfs" --resume "$T/bad"
{ head -n 1 "$T/r"; echo '{"type": "sample"}'; } >"$T/bad"
expect 6 "line 2 is no line of results" --resume "$T/bad"
: >"$T/bad"
expect 7 "is empty" --resume "$T/bad"
head -c 100 "$T/r" >"$T/bad"
expect 7 "is cut short within its first line" --resume "$T/bad"
sed '1s/"version": 1/"version": 2/' "$T/r" >"$T/bad"
expect 8 "is of version 2, this program reads version 1" --resume "$T/bad"
sed '1s/"cpus": [0-9]*/"cpus": 1000/' "$T/r" >"$T/bad"
expect 9 "was begun on another machine" --resume "$T/bad"
expect 9 "compares stock, jemalloc, rpcbuf" --resume "$T/r" "${run[@]}"
expect 2 "could not be filled" "${SMALL[@]}" --server a=nfs://127.0.0.1/nowhere --cases 4k-read-qd1 --output "$T/none"
[[ ! -e $T/none ]] || fail "a file without samples stays"
say "bad input"
