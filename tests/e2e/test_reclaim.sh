#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the grace period after a restart works while the plug-in receives.
# Method: nfs4_reclaim (see its comment), with a grace period that outlasts the
# test; it needs no waiting, the answers tell whether the server is in it.
source "$(dirname "$0")/lib.sh"

pick_port
server_configure
sed -i 's/Graceless = true;/Graceless = false; Lease_Lifetime = 120; Grace_Period = 180;/' "$CONF"
S_KEEP_PORTS=1
server_start
make_file "$EXPORT/file" 1000
mkfifo "$T/restarted"
"$BIN/nfs4_reclaim" "$PORT" "$EXPORT" file <"$T/restarted" >"$T/said" &
client=$!
exec 3>"$T/restarted"
wait_for "the file to be open" grep -q open "$T/said"
server_stop
server_start
exec 3>&-
wait "$client" || fail "nfs4_reclaim"
{
	printf 'a%.0s' {1..100000}
	printf 'b%.0s' {1..100000}
} >"$T/expected"
same_file "$T/expected" "$EXPORT/file" "written before and after"
server_stop
