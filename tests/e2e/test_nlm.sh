#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the server's calls to the status monitor and to lock clients of NFSv3
# work while the plug-in receives.
# Method: nlm_peer (see its comment); once more with each order in which such a
# call meets the adoption of its connection (lib-orders.sh), on the debug
# plug-in. The server looks for both at port 111, so all of it runs in a network
# namespace and a /run of its own, with an rpcbind there.
if [[ -z ${RPCBUF_TEST_INSIDE:-} ]]; then
	if ! unshare --mount --net true || ! command -v ip >/dev/null; then
		echo "test_nlm: skipped: no namespace can be made, or no ip is there"
		exit 77
	fi
	RPCBUF_TEST_INSIDE=1 exec unshare --mount --net bash "$0"
fi
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib-orders.sh"

HOW=odd
with_plugin || HOW=plain # a stock server refuses odd fragments

port_answers() {
	! port_is_free "$1"
}

mount -t tmpfs tmpfs /run
ip link set lo up
ip address add 192.0.2.1 dev lo # without one, 127.0.0.1 is not looked up
mkdir -p /run/rpcbind
rpcbind -f -i &
wait_for "rpcbind" port_answers 111

start() {
	pick_port
	server_configure
	NLM_PORT=$((PORT + 2))
	until port_is_free "$NLM_PORT"; do
		NLM_PORT=$((NLM_PORT + 1))
	done
	sed -i "s/Enable_NLM = false;/Enable_NLM = true; NLM_Port = $NLM_PORT;/" "$CONF"
	make_file "$T/export/lock" 1000
	S_KEEP_PORTS=1 server_start
}

# The server has connected to the peer of its call.
is_connected() {
	awk -v port="$(printf ':%04X' "$CALLED_PORT")" \
		'$3 ~ port "$" && $4 == "01" { found = 1 } END { exit !found }' \
		/proc/net/tcp /proc/net/tcp6
}

# The first calls ask rpcbind where that is.
pass_rpcbind() {
	paused "$1"
	until is_connected; do
		pause_at "$1"
		pause_end "$1"
		paused "$1"
	done
}

# in_order ORDER early|granted
in_order() {
	client_begin "$BIN/nlm_peer" "$PORT" "$MOUNT_PORT" "$NLM_PORT" "$EXPORT" "$2"
	read -r -t 60 _ CALLED_PORT <&4 || fail "$1, $2: nlm_peer"
	order_arm "$1"
	tell go
	if [[ $1 == within ]]; then
		pass_rpcbind call
	else
		pass_rpcbind calling
	fi
	order_drive "$1" answered
	client_end
}

start
timeout 60 "$BIN/nlm_peer" "$PORT" "$MOUNT_PORT" "$NLM_PORT" "$EXPORT" "$HOW" ||
	fail "nlm_peer"
! grep -E 'SM_(MON|UNMON) failed' "$LOG" || fail "an answer of the monitor is lost"
! with_plugin || wait_stat connections '<=' 1
server_stop

with_plugin || exit 0
# shellcheck disable=SC2034 # lib.sh's
S_DEBUG=1
start
for order in "${ORDERS[@]}"; do
	in_order "$order" early
	in_order "$order" granted
done
! grep -E 'SM_(MON|UNMON) failed' "$LOG" || fail "an answer of the monitor is lost"
wait_stat connections '<=' 1
server_stop
