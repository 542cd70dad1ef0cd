#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a call of the server's own is sent, whenever it comes while its
# connection is being adopted, and a reset then leaves nothing behind.
# Method: the threads that call and that adopt are held at points of the debug
# plug-in, so that each order happens (lib-orders.sh). v4.0: the client sends
# bytes on the callback's connection before it is called there, which begins the
# adoption; it must get CB_NULL, or it resets, and the server reports that the
# channel is down. v4.1: the thread that accepted the client's connection is
# held, and the call must be sent without it, or by it; or the connection is
# closed before the call is queued. An adoption fails for lack of memory
# (preload/fail_nth.c) while the call is with the connection. NLM and NSM:
# test_nlm.sh.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib-callbacks.sh"
source "$(dirname "$0")/lib-orders.sh"
need_plugin "the steps are the plug-in's"

S_DEBUG=1

# The server calls each session once.
start_calling() {
	RPCBUF_CB_STATUS=$T/statuses RPCBUF_CB_COUNT=1 \
		S_WRAP="env LD_PRELOAD=$T/cb_null.so" start
}

statuses_are() {
	[[ $(paste -s -d ' ' "$T/statuses" 2>/dev/null) == "$1" ]]
}

none_left_open() {
	(($(sockets_in 01 08) == 0))
}

reset() {
	tell reset
	hear reset
}

v40() {
	order_arm "$1"
	client_begin "$BIN/nfs4_callbacks" "$PORT" "$2"
	order_drive "$1" "$3"
	client_end
}

# The call is behind the token when the thread that accepted collects.
left_to_other() {
	ORDER="left to the thread that adopts"
	pause_at collecting
	pause_at collected
	client_begin "$BIN/nfs4_back_channel" "$PORT" told
	paused collecting
	hear session
	paused collected
	pause_end collecting
	answered
	pause_end collected
	client_end
}

# That thread is still held.
without_other() {
	ORDER="without the thread that adopts"
	pause_at adopted
	client_begin "$BIN/nfs4_back_channel" "$PORT" told
	paused adopted
	hear session
	answered
	client_end
	pause_end adopted
}

# gone_at POINT of the call's path
gone_at() {
	ORDER="gone at $1"
	pause_at "$1"
	client_begin "$BIN/nfs4_back_channel" "$PORT" told-reset
	hear session
	paused "$1"
	reset
	client_end
	wait_for "the connection to be shut down" none_left_open
	pause_end "$1"
}

descriptors() {
	local fds=("/proc/$SERVER/fd"/*)
	echo "${#fds[@]}"
}

descriptors_are() {
	(($(descriptors) == $1))
}

channels_are_down() {
	(($(channels_down) == $1))
}

lost() {
	hear lost
	[[ ! -e $T/fail ]] || fail "the adoption has not failed"
}

# There is no memory for the connection when it has the call already: both are
# released.
not_adopted() {
	local fds down
	fds=$(descriptors)
	down=$(channels_down)
	v40 within early-lost lost
	wait_for "the channel to be down" channels_are_down $((down + 1))
	wait_for "$fds descriptors" descriptors_are "$fds"
}

start
for order in "${ORDERS[@]}"; do
	v40 "$order" early answered
	assert_eq "$(channels_down)" 0 "callback channels down after $order"
done
down=0
for order in "${ORDERS[@]}"; do
	v40 "$order" early-reset reset
	down=$((down + 1))
	assert_eq "$(channels_down)" "$down" "callback channels down, reset $order"
done
wait_stat connections == 0
server_stop

build_fail_nth
S_WRAP="env LD_PRELOAD=$T/fail_nth.so RPCBUF_FAIL_ONCE=$T/fail" start
v40 within early-reset reset # what Ganesha opens once and keeps
# shellcheck disable=SC2317 # the orders call it
queued_within() {
	: >"$T/fail"
}
not_adopted
not_adopted
queued_within() {
	:
}
v40 within early answered
wait_stat connections == 0
server_stop

build_preload
start_calling
left_to_other
wait_for "the status of one call" statuses_are "0"
without_other
wait_for "the statuses of two calls" statuses_are "0 0"
for point in calling called; do
	gone_at "$point"
done
raw null || fail "another client"
wait_stat connections == 0
wait_for "the calls to time out" statuses_are "0 0 5 5"
server_stop
say "${#ORDERS[@]} orders, answered and reset; a client's own connection"
