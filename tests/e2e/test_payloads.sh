#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the payload of a WRITE of 8 KiB and more reaches the file system from
# the pages that received it, over NFSv3 and v4, with AUTH_SYS and AUTH_NONE.
# Method: known numbers of WRITEs (see payloads.c), alone and between small
# calls, and the counters: every payload is counted, none was copied, and the
# copied bytes do not add up to one payload. Shorter ones are not counted. Every
# byte is read back.
source "$(dirname "$0")/lib.sh"
need_plugin "there are no counters without the plug-in"

COUNT=24

# payloads SIZE HOW: over both versions, with both flavors. Sets calls.
payloads() {
	local version flavor made
	calls=0
	for version in 3 4; do
		for flavor in sys none; do
			made=$("$BIN/payloads" "$PORT" "$MOUNT_PORT" "$EXPORT" file \
				"$version" "$flavor" "$1" "$COUNT" "$2") ||
				fail "payloads over v$version with AUTH_${flavor^^}: $*"
			calls=$((calls + made))
		done
	done
}

# counted SIZE HOW: sets in_place, copied and bytes to what the counters grew by.
counted() {
	local requests
	requests=$(stat_get requests)
	in_place=$(stat_get payloads_in_place)
	copied=$(stat_get payloads_copied)
	bytes=$(stat_get bytes_copied)
	payloads "$@"
	wait_stat requests '>=' $((requests + calls)) # its READs come last
	wait_stat in_flight == 0
	in_place=$(($(stat_get payloads_in_place) - in_place))
	copied=$(($(stat_get payloads_copied) - copied))
	bytes=$(($(stat_get bytes_copied) - bytes))
	say "$1 bytes, $2: $in_place in place, $copied copied; $bytes bytes copied in all"
}

pick_port
server_configure
sed -i 's/SecType = sys;/SecType = none, sys;/' "$CONF"
S_KEEP_PORTS=1 server_start
: >"$T/export/file"
chmod 666 "$T/export/file"

for size in 8192 65536 1048576; do
	for how in alone mixed; do
		counted "$size" "$how"
		assert_cmp $((in_place + copied)) '==' $((4 * COUNT)) "payloads of $size"
		# A connection learns from its first calls how long they are.
		assert_cmp "$copied" '<=' 4 "payloads of $size copied"
	done
done
counted 8188 alone
assert_cmp $((in_place + copied)) '==' 0 "payloads of 8188 counted"
assert_cmp "$bytes" '>=' $((4 * COUNT * 8188)) "bytes copied, short payloads among them"
server_stop
