#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a hundred clients with slow links have their WRITEs done at the rate of
# their links, with a budget that holds half of them; none is closed.
# Method: clients in a network namespace of their own, one address of the server
# and one of its own for each, and a class of 1 Mbit/s for each on the way to
# the server. All write 1 MiB at the same time. The plug-in has Memory = 64M.
# The time is printed, not tested: a link needs 8.8 s for its bytes.
if [[ -z ${RPCBUF_TEST_INSIDE:-} ]]; then
	if ! unshare --net true || ! command -v tc >/dev/null; then
		echo "test_slow_crowd: skipped: no namespace can be made, or no tc is there"
		exit 77
	fi
	RPCBUF_TEST_INSIDE=1 exec unshare --net bash "$0"
fi
source "$(dirname "$0")/lib.sh"

CLIENTS=100
RATE=1mbit
LEN=1048576
S_RPCBUF="Memory = $((64 << 20));"

# The namespace of the clients lives as long as this process.
network_start() {
	local i
	unshare --net sleep infinity &
	CLIENT_NET=$!
	wait_for "the namespace of the clients" in_client_net true
	ip link set lo up
	ip link add server type veth peer name client netns "$CLIENT_NET"
	ip link set server up
	in_client_net ip link set lo up
	in_client_net ip link set client up
	for ((i = 1; i <= CLIENTS; i++)); do
		echo "address add 198.18.1.$i/15 dev server"
	done | ip -batch -
	for ((i = 1; i <= CLIENTS; i++)); do
		echo "address add 198.19.1.$i/32 dev client"
		echo "route add 198.18.1.$i/32 dev client src 198.19.1.$i"
	done | in_client_net ip -batch -
	for ((i = 1; i <= CLIENTS; i++)); do
		((i > 1)) || echo "qdisc add dev client root handle 1: htb"
		echo "class add dev client parent 1: classid 1:$((i + 1)) htb rate $RATE burst 4k"
		echo "qdisc add dev client parent 1:$((i + 1)) pfifo limit 20"
		echo "filter add dev client parent 1: protocol ip u32 match ip dst 198.18.1.$i flowid 1:$((i + 1))"
	done | in_client_net tc -batch -
}

in_client_net() {
	[[ $(readlink "/proc/$CLIENT_NET/ns/net") != $(readlink /proc/self/ns/net) ]] &&
		nsenter --net="/proc/$CLIENT_NET/ns/net" "$@"
}

network_start
pick_port
server_configure
sed -i 's/Bind_addr = .*;/Bind_addr = 0.0.0.0;/' "$CONF"
S_KEEP_PORTS=1 server_start
make_file "$T/in" $LEN
for ((i = 1; i <= CLIENTS; i++)); do
	: >"$EXPORT/$i"
	chmod 666 "$EXPORT/$i"
done
before=$(now_ms)
pids=()
for ((i = 1; i <= CLIENTS; i++)); do
	in_client_net "$BIN/rawrpc" --host "198.18.1.$i" \
		--port "$PORT" --mount-port "$MOUNT_PORT" --export "$EXPORT" \
		write "$i" 0 $LEN <"$T/in" >"$T/said.$i" 2>&1 &
	pids+=($!)
done
for ((i = 1; i <= CLIENTS; i++)); do
	wait "${pids[i - 1]}" || fail "client $i: $(cat "$T/said.$i")"
done
say "$CLIENTS clients of $RATE, 1 MiB each: $(($(now_ms) - before)) ms"
for ((i = 1; i <= CLIENTS; i++)); do
	same_file "$T/in" "$EXPORT/$i" "client $i"
done
if with_plugin; then
	for name in refused_timeout closed_idle closed_unread refused_connections; do
		assert_eq "$(stat_get $name)" 0 "$name"
	done
	say "waits: $(stat_get parked_partial) for a share, $(stat_get parked_pages) for pages, $(stat_get parked_long) for a turn"
fi
server_stop
