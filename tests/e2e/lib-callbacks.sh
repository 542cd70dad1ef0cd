# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
#
# What the tests of the server's calls to its clients share. Source it after lib.sh.

DOWN='Callback channel is down'

channels_down() {
	grep -c "$DOWN" "$LOG" || true
}

start() {
	pick_port
	server_configure
	sed -i 's/^NFSv4 {/&\n\tDelegations = true; Lease_Lifetime = 120;/' "$CONF"
	S_KEEP_PORTS=1 server_start
}

build_preload() {
	local flags
	read -ra flags < <(pkg-config --cflags libntirpc)
	"${CC:-cc}" -D_GNU_SOURCE -Wall -Wextra -shared -fPIC "${flags[@]}" \
		-o "$T/cb_null.so" "$RPCBUF_SOURCE/tests/e2e/preload/cb_null.c"
}
