#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: tools/serve does what it prints, as a new user would try it, and refuses
# bad input with one sentence.
# Method: it is started with the plug-in and without, over VFS and MEM, on
# folders with awkward names; the nfs-ls and nfs-cp lines are taken from its
# output and run as they stand; a file goes in over v3 and v4 and comes back.
# Ctrl-C (SIGINT to its process group) must end it with status 0, leave no
# process and nothing new in /run.
#
# One back end: it is about the output and refusals of tools/serve.
set -euo pipefail
set -m # a job gets a process group and its SIGINT, as at a terminal

RPCBUF_SOURCE=${RPCBUF_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
guard_seconds=60
work=$(mktemp -d)
serve=
cd "$work"

cleanup() {
	local status=$?
	if ((status)); then
		cat "$work/out" "$work"/run/ganesha.log 2>/dev/null | tail -n 40 >&2 || true
	fi
	[[ -z $serve ]] || kill -TERM "$serve" 2>/dev/null || true
	wait || true
	rm -rf "$work"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 143' TERM INT

fail() {
	echo "test_serve: FAILED: $*" >&2
	exit 1
}

free_port() {
	local try
	while :; do
		try=$((21000 + RANDOM % 10000))
		(exec 3<>"/dev/tcp/127.0.0.1/$try") 2>/dev/null || break
	done
	echo "$try"
}

# The parent of this test may ignore SIGINT, as shells do for background jobs.
start() {
	rm -rf run
	: >out
	env --default-signal=INT "$RPCBUF_SOURCE/tools/serve" --run-dir "$work/run" --port "$(free_port)" "$@" >out 2>&1 &
	serve=$!
	until grep -q '^Ctrl-C stops it' out; do
		kill -0 "$serve" 2>/dev/null || fail "serve $* ended early"
		sleep 0.1
	done
	server=$(<run/ganesha.pid)
}

interrupt() {
	local begin=$SECONDS status=0
	kill -INT -- "-$serve"
	while kill -0 "$serve" 2>/dev/null; do
		((SECONDS - begin <= guard_seconds)) || fail "still there $guard_seconds s after Ctrl-C"
		sleep 0.05
	done
	wait "$serve" || status=$?
	serve=
	((status == 0)) || fail "exit status $status after Ctrl-C"
	! kill -0 "$server" 2>/dev/null || fail "ganesha.nfsd outlived serve"
}

# The line of the output that contains PATTERN, run as it stands.
pasted() {
	local line
	line=$(grep -m 1 -F -e "$1" out) || fail "serve printed no '$1'"
	bash -c "$line" || fail "as printed: $line"
}

round_trip() {
	local url
	head -c 300000 /dev/urandom >FILE
	pasted 'nfs-cp FILE' >/dev/null
	url=$(sed -n "s/^ *nfs-cp FILE '\(.*\)'\$/\1/p" out)
	url=${url//"'\\''"/"'"}
	rm -f back
	nfs-cp "$url&version=4" back >/dev/null || fail "v4 cannot read what v3 wrote"
	cmp FILE back || fail "v3 in, v4 out: the file differs"
	rm -f back
	nfs-cp back2 "${url/FILE?/FILE4?}&version=4" >/dev/null || fail "v4 cannot write"
	nfs-cp "${url/FILE?/FILE4?}" back >/dev/null || fail "v3 cannot read what v4 wrote"
	cmp back2 back || fail "v4 in, v3 out: the file differs"
	pasted 'nfs-ls' | grep -q FILE4 || fail "v3 does not list FILE4"
	pasted '&version=4' | grep -q FILE4 || fail "v4 does not list FILE4"
}

# expect_refusal WORD-IN-THE-SENTENCE ARGUMENT...
expect_refusal() {
	local word=$1 status=0
	shift
	timeout 20 "$RPCBUF_SOURCE/tools/serve" --run-dir "$work/none" "$@" >refusal 2>&1 || status=$?
	((status == 2)) || fail "serve $*: exit status $status, expected 2"
	(($(wc -l <refusal) == 1)) || fail "serve $*: not one sentence: $(<refusal)"
	grep -qF -e "$word" refusal || fail "serve $*: '$(<refusal)' does not name $word"
}

mkdir "a 'b" plain
head -c 2000 /dev/urandom >back2 # what the nfs-cp of libnfs 4.0 can write over v4
run_before=$(find /run -maxdepth 2 -name 'rpcbind*' -o -maxdepth 1 -name 'rpcbuf*' | sort)

start --memory 64M "a 'b"
round_trip
cmp FILE "a 'b/FILE" || fail "the served folder does not hold the file"
grep -q 'Memory = 67108864;' run/ganesha.conf || fail "--memory is not in the configuration"
grep -q 'rpcbuf, 64 MiB of pages' out || fail "serve does not say what it got: $(grep Serving out)"
until awk '$1 == "requests" && $2 > 0 { seen = 1 } END { exit !seen }' run/statistics; do
	sleep 0.2
done
expect_refusal 'in use' --port "$(sed -n 's/^.*NFS_Port = \([0-9]*\);/\1/p' run/ganesha.conf)" plain
interrupt

start --stock plain
round_trip
[[ ! -e run/plugins/libfsalrpcbuf.so ]] || fail "--stock has the plug-in"
! grep -q RPC_Ioq run/ganesha.conf || fail "--stock is tuned"
interrupt

start --fsal mem /memory
grep -qE 'rpcbuf, [1-9][0-9]* MiB of pages' out || fail "serve does not say what it got by default: $(grep Serving out)"
round_trip
interrupt

run_after=$(find /run -maxdepth 2 -name 'rpcbind*' -o -maxdepth 1 -name 'rpcbuf*' | sort)
[[ $run_before == "$run_after" ]] || fail "/run has changed: $run_after"

expect_refusal 'which folder'
expect_refusal nowhere nowhere
expect_refusal 'not a folder' FILE
expect_refusal 64M --memory 63M plain
expect_refusal 'libnone.so.1: there is no such library' --preload libnone.so.1 plain
expect_refusal steam --engine steam plain
expect_refusal 'needs --stock' --tuned plain
expect_refusal 'there is no such file' --plugin "$work/nowhere.so" plain
expect_refusal 'one or the other' --stock --plugin FILE plain
"$RPCBUF_SOURCE/tools/serve" --config --run-dir "$work/tuned" --stock --tuned plain >/dev/null
for name in RPC_Ioq_ThrdMin RPC_Ioq_ThrdMax; do
	# Ganesha takes no fewer than 2.
	grep -q "$name = $(($(nproc) > 2 ? $(nproc) : 2));" tuned/ganesha.conf || fail "--tuned sets no $name"
done
"$RPCBUF_SOURCE/tools/serve" --config --run-dir "$work/other" --plugin FILE plain >/dev/null
[[ $(realpath other/plugins/libfsalrpcbuf.so) == "$work/FILE" ]] || fail "--plugin is not what the server gets"
expect_refusal 12x --memory 12x plain
expect_refusal 65536 --port 65536 plain
expect_refusal ZFS --fsal ZFS plain
expect_refusal 1.2.3.256 --address 1.2.3.256 plain
expect_refusal --nothing --nothing plain
echo "test_serve: passed"
