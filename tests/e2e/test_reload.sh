#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a running server takes a new RPCBUF block, or states for each parameter
# why it does not and which value stays in force; a refused block can be
# corrected without a restart, and RPCBUF is never stacked on itself or on
# nothing.
# Method: files of exports that are added over the message bus, and the server's
# own file, which SIGHUP makes it read again. The log and the budget in the
# statistics show the values in force.
#
# One back end: reading a block and its effect are the same with both.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib-dbus.sh"
need_plugin "there is no RPCBUF block without the plug-in"

MIB=$((1 << 20))
SMALL="RPCBUF { Memory = $((64 * MIB)); }"
OVER_VFS="Name = RPCBUF; FSAL { Name = VFS; }"

# export_file ID FSAL [BLOCK]: an export of $T/ID, in a file of its own
export_file() {
	mkdir -p "$T/$1"
	cat >"$T/$1.conf" <<-END
		${3:-}
		EXPORT { Export_Id = $1; Path = $T/$1; Pseudo = $T/$1; Access_Type = RW;
		SecType = sys; Protocols = 3,4; Transports = TCP; FSAL { $2 } }
	END
}

logged() {
	grep -qF -- "$1" "$LOG"
}

wait_log() {
	wait_for "the log to say: $1" logged "$1"
}

# add ID FSAL [BLOCK]
add() {
	export_file "$@"
	dbus_add_export "$T/$1.conf" "$1"
}

# refused SENTENCE ID FSAL [BLOCK]
refused() {
	local sentence=$1
	shift
	: >"$LOG"
	if add "$@" >"$T/said"; then
		fail "it is added, not refused: $sentence"
	fi
	cat "$T/said" >>"$LOG"
	logged "$sentence" || fail "the answer and the log do not say: $sentence"
}

# reload SENTENCE BLOCK: the server's own file with another block
reload() {
	sed -i '/^RPCBUF/,/^}/d' "$CONF"
	printf 'RPCBUF {\n%s\n}\n' "$2" >>"$CONF"
	: >"$LOG"
	kill -HUP "$SERVER"
	wait_log "Reread exports complete"
	wait_log "$1"
}

pages_are() {
	wait_stat pages_total == $(($1 / 4096))
}

dbus_start
# The next try corrects errors in the block of the first export.
dbus_server_start
ln -sf "$BIN/libfsalslow.so" "$T/plugins/"
refused "RPCBUF block is not valid" 2 "$OVER_VFS" "RPCBUF { Memory = 17; }"
refused "RPCBUF block is not valid" 2 "$OVER_VFS" "RPCBUF { Max_Payload = 65537; }"
refused "RPCBUF stands on another FSAL" 2 "Name = RPCBUF;" "$SMALL"
refused "not on itself" 2 "Name = RPCBUF; FSAL { $OVER_VFS }" "$SMALL"
refused "not on itself" 2 "Name = RPCBUF; FSAL { Name = SLOW; FSAL { $OVER_VFS } }" "$SMALL"
add 2 "$OVER_VFS" "RPCBUF { Memory = $((80 * MIB)); Statistics = \"$STATS\"; }"
wait_log "Memory is $((80 * MIB)) bytes now, it was $((64 * MIB))"
wait_log "Statistics = $STATS takes effect when the server is restarted; (none) stays in force"
# Without a block, the previous one stays in force; also with one that is not
# valid.
: >"$LOG"
add 3 "$OVER_VFS"
! logged "Memory" || fail "a file without a block changes Memory"
refused "the previous one stays in force" 4 "$OVER_VFS" "RPCBUF { Tuning { Spin = 9999; } }"
raw null
kill "$SERVER"
wait "$SERVER" || fail "the exit status"

# The block of the server's own file applies to exports in files of their own.
pick_port
S_STOCK=1 server_configure
ln -sf "$PLUGIN" "$T/plugins/"
printf 'RPCBUF {\nMemory = %s; Statistics = "%s";\n}\n' $((64 * MIB)) "$STATS" >>"$CONF"
: >"$LOG"
S_STOCK=1 S_KEEP_PORTS=1 server_start
dbus_wait
add 2 "$OVER_VFS"
wait_log "the RPCBUF block of $CONF is in force"
wait_log "budget $((64 * MIB)) bytes"
# A reload shows a file to the plug-in through its exports.
for id in 5 6; do
	export_file "$id" "$OVER_VFS"
	cat "$T/$id.conf" >>"$CONF"
done

block="Statistics = \"$STATS\";"
reload "Memory is $((96 * MIB)) bytes now, it was $((64 * MIB))" "Memory = $((96 * MIB)); $block"
pages_are $((96 * MIB))
reload "Memory is $((48 * MIB)) bytes now, it was $((96 * MIB))" "Memory = $((48 * MIB)); $block"
pages_are $((48 * MIB))
reload "Memory = 1099511627776 does not take effect: while this server runs it is at most" \
	"Memory = 1099511627776; $block"
reload "Max_Calls = 7 takes effect when the server is restarted; 128 stays in force" \
	"Memory = $((48 * MIB)); Max_Calls = 7; Engine = epoll; $block"
wait_log "Engine = epoll takes effect when the server is restarted; auto stays in force"
reload "Tuning.Spin = 9 takes effect when the server is restarted; 50 stays in force" \
	"Memory = $((48 * MIB)); Tuning { Spin = 9; } $block"
reload "Tuning.Spin = 9 takes effect when the server is restarted; 50 stays in force" \
	"Memory = $((48 * MIB)); Spin = 9; $block"
wait_log "Spin stands in the RPCBUF block: it belongs in its Tuning { } block"
assert_eq "$(grep -c 'Spin stands in' "$LOG")" 1 "lines about the place of Spin"
reload "Spin stands in the RPCBUF block and in its Tuning { } block" \
	"Memory = $((64 * MIB)); Spin = 9; Tuning { Spin = 9; } $block"
wait_log "the previous one stays in force"
reload "the previous one stays in force" "Memory = $((64 * MIB)); Max_Calls = banana; $block"
# Once, however many exports the file has.
assert_eq "$(grep -c 'the previous one stays in force' "$LOG")" 1 "lines about the block"
pages_are $((48 * MIB))
raw null
server_stop
