#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the server announces the sizes of READ, WRITE and call that it accepts,
# in every export and session, and no short call makes a huge reply.
# Method: nfs_sizes (see its comment), on a server whose limit is far below
# Ganesha's own of 64 MiB. It has an export over RPCBUF, one beside it that sets
# sizes of its own, and two that come and change over the message bus.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib-dbus.sh"
need_plugin "stock takes records of any length"

PAYLOAD=131072
RECORD=$((PAYLOAD + 8192))
S_RPCBUF="Max_Payload = $PAYLOAD;"

sizes() {
	"$BIN/nfs_sizes" "$PORT" "$MOUNT_PORT" "$@"
}

# export_file ID FSAL [LINE]: an export of $T/ID, in a file of its own
export_file() {
	mkdir -p "$T/$1"
	cat >"$T/$1.conf" <<-END
		EXPORT { Export_Id = $1; Path = $T/$1; Pseudo = $T/$1; Access_Type = RW;
		Squash = No_Root_Squash; SecType = sys; Protocols = 3,4; Transports = TCP;
		${3:-} FSAL { $2 } }
	END
}

# tells EXPORT: one size, in v3 and v4
tells() {
	assert_eq "$(sizes fsinfo "$1")" "$PAYLOAD $PAYLOAD $PAYLOAD $PAYLOAD" \
		"rtmax, rtpref, wtmax and wtpref of $1 $2"
	assert_eq "$(sizes attributes "$1")" "$PAYLOAD $PAYLOAD" "maxread and maxwrite of $1 $2"
}

peak_kib() {
	awk '/^VmHWM:/ { print $2 }' "/proc/$SERVER/status"
}

dbus_start
export_file 2 "Name = VFS;" "MaxRead = 33554432; MaxWrite = 33554432; PrefWrite = 4194304;"
export_file 3 "Name = VFS;"
export_file 4 "Name = RPCBUF; FSAL { Name = VFS; }" "MaxRead = 33554432; PrefRead = 33554432;"
pick_port
server_configure
cat "$T/2.conf" >>"$CONF"
S_KEEP_PORTS=1
server_start
wait_for "the take-over" grep -q 'receiving into page vectors' "$LOG"
dbus_wait

# v4 first: its sizes must not be right only because v3 has asked.
assert_eq "$(sizes attributes "$T/2")" "$PAYLOAD $PAYLOAD" "maxread and maxwrite, asked first"
tells "$EXPORT" "over RPCBUF"
tells "$T/2" "beside it"
dbus_add_export "$T/3.conf" 3
tells "$T/3" "added"
dbus_add_export "$T/4.conf" 4
tells "$T/4" "added over RPCBUF"
for id in 2 3 4; do
	dbus_update_export "$T/$id.conf" "$id"
	tells "$T/$id" "updated"
done

for folder in "$EXPORT" "$T/2"; do
	truncate -s 64M "$folder/big"
	before=$(peak_kib)
	assert_eq "$(sizes read3 "$folder" big 67108864)" "$PAYLOAD" "bytes of a READ of 64 MiB over v3"
	assert_eq "$(sizes read4 "$folder" big 67108864 1)" "$PAYLOAD" "bytes of a READ of 64 MiB over v4"
	assert_cmp "$(sizes read4 "$folder" big 67108864 90)" "<=" $((PAYLOAD + 90 * 4096)) \
		"bytes of 90 READs of 64 MiB in a call"
	assert_cmp "$(peak_kib)" "<" $((before + 16384)) "KiB of memory at the peak in $folder"
done

for wish in $((2 << 20)) $((4 << 20)) $((16 << 20)) $((RECORD + 4)); do
	assert_eq "$(sizes session "$EXPORT" big "$wish")" "$RECORD $RECORD $RECORD $RECORD 0" \
		"granted of $wish, and a call of that length"
done
assert_eq "$(sizes session "$EXPORT" big 65536)" "65536 65536 65536 65536 0" "granted of 65536"
server_stop
