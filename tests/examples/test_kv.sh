#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the example does what its comments say: servers that differ in a line,
# and a client that finds each through rpcbind.
# Method: counts the lines that differ; starts each server with an rpcbind of
# its own in a network of its own, lets clients put and get files of many sizes,
# several at once, and compares.
set -euo pipefail

RPCBUF_SOURCE=${RPCBUF_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
RPCBUF_BUILD=${RPCBUF_BUILD:-$RPCBUF_SOURCE/build}
here=$RPCBUF_SOURCE/tests/examples/kv
bin=$RPCBUF_BUILD/tests/examples
export PATH=$PATH:/usr/sbin:/sbin

fail() {
	echo "test_kv: FAILED: $*" >&2
	exit 1
}

if [[ ${1:-} != --inside ]]; then
	[[ -x $bin/kv_client ]] || { echo "the example is not built"; exit 77; }
	((EUID == 0)) || { echo "only root may start rpcbind"; exit 77; }
	unshare --mount --net true 2>/dev/null || { echo "no network namespaces"; exit 77; }
	(($(diff "$here/server_stock.c" "$here/server_rpcbuf.c" | grep -c '^>') == 1)) ||
		fail "server_rpcbuf.c differs from server_stock.c in more than a line"
	(($(diff "$here/server_rpcbuf.c" "$here/server_threads.c" | grep -c '^>') == 1)) ||
		fail "server_threads.c differs from server_rpcbuf.c in more than a line"
	exec "$RPCBUF_SOURCE/tools/with-rpcbind" --network \
		bash "${BASH_SOURCE[0]}" --inside
fi

temp=$(mktemp -d)
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	[[ -z $server ]] || wait "$server" 2>/dev/null || true
	rm -rf "$temp"
}
trap cleanup EXIT

client() { "$bin/kv_client" 127.0.0.1 "$@"; }

start() {
	"$bin/$1" &
	server=$!
	for ((i = 0; i < 600; i++)); do
		if client count >/dev/null 2>&1; then
			return
		fi
		kill -0 "$server" 2>/dev/null || fail "$1 ended"
		sleep 0.1
	done
	fail "$1 does not answer"
}

stop() {
	kill "$server"
	wait "$server" 2>/dev/null || true
	server=
}

try() {
	local size=$1 name=$2
	head -c "$size" /dev/urandom >"$temp/$name"
	client put "$name" "$temp/$name"
	client get "$name" "$temp/$name.back"
	cmp "$temp/$name" "$temp/$name.back" || fail "$name: $size bytes differ"
}

for variant in kv_stock kv_rpcbuf kv_threads; do
	start "$variant"
	pids=()
	n=0
	for size in 0 1 2 3 1023 1024 4096 5000 65536 300000 1000000; do
		n=$((n + 1))
		try "$size" "key$n" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "a client of $variant"
	done
	[[ $(client count) == "$n" ]] || fail "$variant has $(client count) keys, not $n"
	client remove key1
	! client get key1 "$temp/none" 2>/dev/null || fail "key1 is still there"
	[[ $(client count) == $((n - 1)) ]] || fail "$variant counts wrong"
	echo "$variant: $n values, put and got"
	stop
done
