#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: rpcbuf-bench nfs measures the four forms of the server and another
# build's plug-in across two network namespaces, or with --local on the loopback
# device, which every output states; servers that already run, and a mounted
# file system. It continues an interrupted run, leaves nothing behind however it
# ends, and refuses bad input with the exit status of its manual page. nfs-fio
# uses the same code. The figures are not judged.
# Method: the smallest runs with the real servers and the real fio. One is
# interrupted as from a terminal after its first sample, with a line cut in half
# behind it, and resumed; others are ended by SIGTERM, SIGHUP and SIGKILL; the
# servers that they started must end, and their network with them. A folder
# replaces the mounted file system, whose client is in the kernel.
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

# Servers of this test, by their folder.
servers() { pgrep -f "ganesha.nfsd.*$T/logs/" || true; }

# 
# ---------------------------------------- the forms that it starts, interrupted
mkdir "$T/logs"
export TMPDIR=$T/logs
unshare --net true 2>/dev/null || skip "network namespaces are not permitted"

servers_gone() { [[ -z $(servers) ]]; }

# interrupted SIGNAL FILE ARGUMENT…: a run that gets the signal after its first
# sample, into FILE; its status is in $status. The parent of this test may
# ignore SIGINT, as shells do for background jobs.
interrupted() {
	local bench signal=$1 file=$2
	shift 2
	env --default-signal=INT,HUP "$BENCH" nfs "${SMALL[@]}" --dir "$T/export" \
		--output "$file" "$@" >"$T/said" 2>&1 &
	bench=$!
	# It starts servers first, each of which may take long on a busy
	# machine.
	until grep -qs '"type": "sample"' "$file"; do
		kill -0 "$bench" 2>/dev/null || fail "no sample: $(<"$T/said")"
		sleep 0.05
	done
	[[ -n $(servers) ]] || fail "no server of its own runs"
	kill "-$signal" -- "-$bench"
	status=0
	wait "$bench" 2>/dev/null || status=$?
}

links=$(ls /sys/class/net)
interrupted INT "$T/r" --cases 4k-mixed-qd2,64k-write-qd2
assert_eq "$status" 130 "status after an interruption: $(<"$T/said")"
grep -qF -e "--resume $T/r" "$T/said" || fail "does not say how to go on: $(<"$T/said")"
assert_eq "$(servers)" "" "servers left behind"
say "interrupted: $(grep -c '"type": "sample"' "$T/r") of 8 samples"
for signal in TERM:143 HUP:129; do
	interrupted "${signal%:*}" "$T/${signal%:*}" --only stock --cases 4k-read-qd1,4k-write-qd1
	assert_eq "$status" "${signal#*:}" "status after SIG${signal%:*}: $(<"$T/said")"
	assert_eq "$(servers)" "" "servers left behind by SIG${signal%:*}"
done
interrupted KILL "$T/KILL" --only stock --cases 4k-read-qd1,4k-write-qd1
wait_for "the end of the servers of a killed run" servers_gone
assert_eq "$(ls /sys/class/net)" "$links" "network devices"
say "ended by signals"

printf '{"type": "sample", "case": "4k-mi' >>"$T/r"
expect 0 "rpcbuf" --fio "$FIO" --dir "$T/export" --resume "$T/r" --markdown
grep -q '^| 4 KiB mixed 70/30, depth 2 | ' "$T/said" || fail "no Markdown: $(<"$T/said")"
for text in 'to tuned \[spread\]' 'ops/s, every round' 'no verdict: 1 round, 9 are needed' \
	'in two network namespaces .* control cubic'; do
	grep -q "$text" "$T/said" || fail "no '$text': $(<"$T/said")"
done
check "$T/r" '
assert len(lines) == len([l for l in lines if l["type"] in ("run", "sample", "resumed")])
assert [s["name"] for s in settings["sides"]] == ["stock", "tuned", "jemalloc", "rpcbuf"]
assert [s["role"] for s in settings["sides"]] == ["related", "base", "related", "related"]
assert "RTLD_DEEPBIND" in settings["sides"][2]["note"]
assert settings["network"] == {"kind": "namespaces", "congestion": "cubic"}
assert len(samples) == 8
for s in samples.values():
    assert s["network"] == "namespaces"
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
# The file is complete: nothing is measured again.
expect 0 "rpcbuf" --fio "$FIO" --resume "$T/r"
"$RPCBUF_BUILD/tools/rpcbuf-report" "$T/r" -o "$T/page" --markdown >"$T/said" ||
	fail "no report"
grep -q '^| 4 KiB mixed 70/30, depth 2 | ' "$T/said" || fail "the report in Markdown: $(<"$T/said")"
for text in '<h3>Pages per request' '<h3>Memory over time' RTLD_DEEPBIND '</html>'; do
	grep -q "$text" "$T/page" || fail "the page has no $text"
done
expect 9 "was begun without --local" --local --fio "$FIO" --resume "$T/r"
say "resumed, reported"

# ------------------------------------------------ loopback, a plug-in, nfs-fio
cp "$PLUGIN" "$T/libfsalrpcbuf.so"
expect 0 "LOCAL: server and client on the loopback device" "${SMALL[@]}" --local --markdown \
	--only rpcbuf --also "before=$T/libfsalrpcbuf.so" --cases 4k-read-qd1 --output "$T/local"
grep -q 'to before \[spread\]' "$T/said" || fail "no ratio to before: $(<"$T/said")"
check "$T/local" '
assert settings["network"]["kind"] == "local"
assert [(s["name"], s["role"]) for s in settings["sides"]] == [
    ("before", "base"), ("rpcbuf", "related")]
assert len(samples) == 2 and all(s["network"] == "local" for s in samples.values())
'
"$RPCBUF_BUILD/tools/rpcbuf-report" "$T/local" -o "$T/page"
grep -q '(local)</h1>' "$T/page" || fail "the page is not marked local"
expect 9 "was begun with --local" --fio "$FIO" --resume "$T/local"
expect 9 "compares before, rpcbuf" --local --fio "$FIO" --resume "$T/local"
"$RPCBUF_SOURCE/tests/bench/nfs-fio" --fio "$FIO" --size 4 --seconds 1 --repeat 1 --no-idle \
	--only stock,rpcbuf --cases 4k-randread-qd1 --dir "$T/export" >"$T/said" 2>&1 ||
	fail "nfs-fio: $(<"$T/said")"
for text in '^ *ceiling  *[1-9]' 'in two network namespaces' 'no verdict: 1 round' 'rpcbuf / stock'; do
	grep -q "$text" "$T/said" || fail "nfs-fio says no '$text': $(<"$T/said")"
done
say "loopback, another plug-in, nfs-fio"

# --------------------------------------------------------- servers that run
server_start
expect 0 "without namespaces" "${SMALL[@]}" --cases 4k-randread-qd1 --output "$T/running" \
	--server "first=$(url 3 '' | sed 's|/?|?|; s|&version=3||'),$SERVER" \
	--server "second=$(url 3 '' | sed 's|/?|?|; s|&version=3||')"
check "$T/running" '
first, second = (samples["4k-randread-qd1", side] for side in ("first", "second"))
assert first["cpu_us_per_op"] > 0 and first["pages_per_request"] >= 0
assert settings["network"]["kind"] == first["network"] == "running"
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
expect 64 "--only none: one of stock, tuned, jemalloc, rpcbuf" --only none --list
expect 64 "NAME=nfs://HOST/PATH" --server localhost
expect 64 "is not a folder" --mount "$T/nowhere"
expect 64 "two sides have the name mount" --mount "$T/mounted" --mount "$T/mounted"
expect 64 "one or the other" --serve x --mount "$T/mounted"
expect 64 "--local is for servers that are started" --local --mount "$T/mounted"
expect 64 "there is no $T/nowhere" --also "a=$T/nowhere" --list
expect 64 "with a name other than stock" --also "stock=$PLUGIN" --list
expect 12 "congestion control nothing cannot be had" --congestion nothing --output "$T/none"
printf '#!/bin/sh\nexec setpriv --bounding-set -sys_admin --inh-caps -sys_admin "%s" "$@"\n' "$BENCH" >"$T/unprivileged"
chmod +x "$T/unprivileged"
BENCH=$T/unprivileged expect 12 "namespaces cannot be made" --output "$T/none"
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
sed '1s/"version": 2/"version": 1/' "$T/r" >"$T/bad"
expect 8 "is of version 1, this program reads version 2" --resume "$T/bad"
sed '1s/"cpus": [0-9]*/"cpus": 1000/' "$T/r" >"$T/bad"
expect 9 "was begun on another machine" --resume "$T/bad"
expect 9 "compares stock, tuned, jemalloc, rpcbuf" --resume "$T/r" "${run[@]}"
expect 2 "could not be filled" "${SMALL[@]}" --server a=nfs://127.0.0.1/nowhere --cases 4k-read-qd1 --output "$T/none"
[[ ! -e $T/none ]] || fail "a file without samples stays"
say "bad input"
