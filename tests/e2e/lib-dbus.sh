# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
#
# What tests share that change the exports of a running server: a message bus of
# the test's own, which servers started after dbus_start are on. Source it after
# lib.sh. The bus is found by its address, no other one is touched.
#
# Each of dbus_add_export FILE ID, dbus_update_export FILE ID and
# dbus_remove_export ID prints what the server answers, and fails when it refuses.

if ! command -v dbus-daemon >/dev/null || ! command -v dbus-send >/dev/null; then
	skip "dbus-daemon and dbus-send are not installed"
fi

dbus_start() {
	cat >"$T/bus.conf" <<-END
		<busconfig>
		<listen>unix:path=$T/bus</listen>
		<auth>EXTERNAL</auth>
		<policy context="default">
		<allow send_destination="*"/>
		<allow receive_sender="*"/>
		<allow own="*"/>
		</policy>
		</busconfig>
	END
	setpriv --pdeathsig KILL dbus-daemon --config-file="$T/bus.conf" \
		--nofork --nopidfile >>"$T/bus.out" 2>&1 3>&- &
	wait_for "the message bus" test -S "$T/bus"
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/bus
}

# A server with the plug-in available, none of whose exports is over RPCBUF yet.
dbus_server_start() {
	S_STOCK=1 server_start
	ln -sf "$PLUGIN" "$T/plugins/"
	dbus_wait
}

dbus_wait() {
	wait_for "the server to be on the message bus" dbus_server_answers
}

dbus_server_answers() {
	dbus_exports ShowExports >/dev/null
}

# dbus_exports METHOD ARGUMENT…
dbus_exports() {
	local method=$1 said status=0
	shift
	said=$(dbus-send --system --print-reply=literal --reply-timeout=60000 \
		--dest="rpcbuf_$PORT.org.ganesha.nfsd" /org/ganesha/nfsd/ExportMgr \
		"org.ganesha.nfsd.exportmgr.$method" "$@" 2>&1) || status=$?
	echo "$said"
	return "$status"
}

dbus_add_export() {
	dbus_exports AddExport "string:$1" "string:EXPORT(Export_Id=$2)"
}

dbus_update_export() {
	dbus_exports UpdateExport "string:$1" "string:EXPORT(Export_Id=$2)"
}

dbus_remove_export() {
	dbus_exports RemoveExport "uint16:$1"
}
