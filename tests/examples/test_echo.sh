#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a stranger can copy the echo server, build it with what was installed, and
# it does what its comment says.
# Method: installs the library into a folder of its own, builds the example with
# what pkg-config says, lets a client send records of many sizes over several
# connections, and ends the server; then once more with the sanitizers of addresses
# and of undefined behaviour in the example, which must find no error and no leak.
set -euo pipefail

RPCBUF_SOURCE=${RPCBUF_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
RPCBUF_BUILD=${RPCBUF_BUILD:-$RPCBUF_SOURCE/build}
here=$RPCBUF_SOURCE/tests/examples/echo
command -v pkg-config >/dev/null || { echo "pkg-config is not installed"; exit 77; }

fail() {
	echo "test_echo: FAILED: $*" >&2
	exit 1
}

temp=$(mktemp -d)
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	rm -rf "$temp"
}
trap cleanup EXIT

(($(wc -l <"$here/echo.c") <= 100)) || fail "echo.c is too long to be copied"
cmake --install "$RPCBUF_BUILD" --component library --prefix "$temp/prefix" >"$temp/log"
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$temp/prefix" -name rpcbuf.pc)")
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(dirname "$(find "$temp/prefix" -name librpcbuf.so)")
read -ra flags <<<"$(pkg-config --cflags --libs rpcbuf)"
cc -std=gnu11 -g -Wall -Wextra -Werror -o "$temp/echo" "$here/echo.c" "${flags[@]}"

listens() { [[ -n $(ss -Hltn "sport = :$port") ]]; }

# try COMMAND...: serves the client by it, which must end with 0.
try() {
	local status=0
	port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
	rm -f "$temp/input"
	mkfifo "$temp/input"
	"$@" "$port" <"$temp/input" &
	server=$!
	exec 3>"$temp/input"
	for ((i = 0; i < 1200; i++)); do
		listens && break
		kill -0 "$server" 2>/dev/null || fail "the server ended"
		sleep 0.1
	done
	/usr/bin/python3 -B "$here/client.py" "$port" || fail "the client"
	exec 3>&-
	wait "$server" || status=$?
	server=
	((status == 0)) || fail "the server ended with $status"
}

try "$temp/echo"
cc -std=gnu11 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-o "$temp/echo-sanitized" "$here/echo.c" "${flags[@]}"
try "$temp/echo-sanitized"
echo "test_echo: passed"
