#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a connection that ntirpc read from before the take-over is shut down at
# the take-over, whatever causes that, and no data that a client writes are ever
# run as a call; clients that connect again continue, and replies to the
# server's own calls still reach it.
# Method: begun_writes (see its comment) begins WRITEs before the take-over and
# finishes them after it. The take-over comes with the start of a server with
# early clients; with the first RPCBUF export that DBus adds to a stock server;
# and with one that a reload adds. In these two, the server also waits for the
# answer to a CB_NULL, and a client that writes without a pause must not fail.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib-dbus.sh"
need_plugin "there is nothing to take over"

BEGUN=40

writes_begin() {
	echo victim >"$EXPORT/victim"
	make_file "$EXPORT/data" 100
	chmod 666 "$EXPORT/data"
	rm -f "$T/said" "$T/go"
	mkfifo "$T/go"
	"$BIN/begun_writes" "$PORT" "$MOUNT_PORT" "$EXPORT" "$BEGUN" "$@" \
		<"$T/go" >"$T/said" &
	begun=$!
	exec 3>"$T/go"
	wait_for "begun_writes" grep -q ready "$T/said"
}

writes_end() {
	wait_for "writes to be begun" grep -q sent "$T/said"
	echo go >&3
	wait "$begun" || fail "$1: begun_writes"
	exec 3>&-
	[[ -e $EXPORT/victim ]] || fail "$1: a file was removed by data"
	say "$1: of $BEGUN begun writes $(tail -n 1 "$T/said")"
}

# Both see the server's whole configuration with another export in it.
by_dbus() {
	dbus_wait
	dbus_add_export "$T/second.conf" 2 || fail "AddExport"
}

by_reload() {
	cat "$T/second.conf" >>"$CONF"
	kill -HUP "$SERVER"
}

taken_over() {
	grep -q 'receiving into page vectors' "$LOG"
}

# While it runs, the server is a stock one.
start_stock() {
	local config
	pick_port
	S_STOCK='' server_configure
	mkdir -p "$T/second"
	config=$(<"$CONF")
	{
		sed -n '/^RPCBUF {/,/^}/p' <<<"$config"
		sed -n '/^EXPORT {/,/^}/p' <<<"$config" |
			sed "s|Export_Id = 1|Export_Id = 2|; s|\"$EXPORT\"|\"$T/second\"|"
	} >"$T/second.conf"
	S_STOCK=1 server_configure
	ln -sf "$PLUGIN" "$T/plugins/"
	sed -i 's/^NFSv4 {/&\n\tDelegations = true;/' "$CONF"
	rm -f "$LOG"
	S_STOCK=1 S_KEEP_PORTS=1 server_start
}

progressed_beyond() {
	[[ $(tail -n 1 "$T/progress" 2>/dev/null || true) -gt $1 ]]
}

while_running() {
	local writer callbacks
	start_stock
	writes_begin read
	echo go >&3
	wait_for "writes to be begun" grep -q sent "$T/said"
	mkfifo "$T/call"
	"$BIN/nfs4_callbacks" "$PORT" across plain <"$T/call" >"$T/called" &
	callbacks=$!
	exec 4>"$T/call"
	wait_for "CB_NULL" grep -q held "$T/called"
	mkfifo "$T/write"
	"$BIN/nfs_write" --reconnect --until-eof --block 200000 --seed 7 random \
		"$(url 3 file)" "$T/mirror" <"$T/write" >"$T/progress" 3>&- 4>&- &
	writer=$!
	exec 5>"$T/write"
	wait_for "the first writes" progressed_beyond 0

	"$1"
	wait_for "the take-over" taken_over
	writes_end "$1"
	assert_eq "$(tail -n 1 "$T/said")" "0 answered" "$1: writes that were begun"
	exec 4>&-
	wait "$callbacks" || fail "$1: the answer to CB_NULL is lost"
	wait_for "writes after it" progressed_beyond $(($(tail -n 1 "$T/progress") + 256))
	exec 5>&-
	wait "$writer" || fail "$1: a client that connects again gave up"
	same_file "$T/mirror" "$EXPORT/file" "$1"
	wait_stat connections_total '>' 0
	server_stop
	rm -f "$T/call" "$T/write" "$T/progress" "$T/mirror" "$EXPORT/file"
}

dbus_start
server_start
for round in 1 2 3; do
	writes_begin
	server_stop
	echo go >&3
	S_KEEP_PORTS=1 server_start
	writes_end "restart $round"
done
server_stop

while_running by_dbus
while_running by_reload
