# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
#
# The orders in which a call of the server's own can come while the connection that
# it is to go out on is being adopted, driven by the points of fsal/xprt.c and
# fsal/wire.c. Source it behind lib.sh, with a server with S_DEBUG.
#
# The server opens that connection. Its peer, the client, says "connected", and sends
# something when told "early": with that the adoption begins. It says "called" when
# it has got the call, and is told "answer" then.

# shellcheck disable=SC2034 # the tests walk through them
ORDERS=(before within across)

# client_begin COMMAND…: the client reads from descriptor 3 and writes to
# descriptor 4 of the script.
client_begin() {
	rm -f "$T/told" "$T/said"
	mkfifo "$T/told" "$T/said"
	"$@" <"$T/told" >"$T/said" &
	CLIENT=$!
	exec 3>"$T/told" 4<"$T/said"
}

hear() {
	local said=
	read -r -t 60 said <&4 || true
	[[ $said == "$1" ]] || fail "$ORDER: the client says \"$said\", not \"$1\""
}

tell() {
	echo "$1" >&3
}

client_end() {
	exec 3>&- 4<&-
	wait "$CLIENT" || fail "$ORDER: the client"
}

# order_arm ORDER, before the server connects; then order_drive ORDER DONE…:
# DONE is the client's action while the call is with the connection, and its
# thread is still held.
order_arm() {
	ORDER=$1
	if [[ $1 == within ]]; then
		pause_at call
	else
		pause_at calling
	fi
}

# The call looks for the connection before it is the plug-in's, and is queued
# afterwards.
drive_before() {
	paused calling
	pause_at collected
	tell early
	paused collected
	hold_calls
	pause_end calling
}

# Events that a test may run then.
queued_within() {
	:
}

# The whole call comes while the connection has its token and is not adopted.
drive_within() {
	paused call
	pause_at claimed
	tell early
	paused claimed
	pause_at collected
	pause_end call
	paused collected
	hold_calls
	queued_within
	pause_end claimed
}

# It looks before, and is queued then.
drive_across() {
	paused calling
	pause_at claimed
	tell early
	paused claimed
	pause_at collected
	pause_end calling
	paused collected
	hold_calls
	pause_end claimed
}

order_drive() {
	hear connected
	"drive_$1"
	shift
	"$@"
	calls_may_go
	pause_end collected
}

# The server repeats a call that is not answered: the next call would take along
# the forgotten one, so it is held.
hold_calls() {
	pause_at call
}

calls_may_go() {
	rm -f "$RPCBUF_PAUSE/call"
	[[ ! -e $RPCBUF_PAUSE/call.here ]] || pause_end call
}

# By the thread that is not held.
answered() {
	hear called
	tell answer
}
