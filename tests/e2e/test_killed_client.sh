#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a client that is killed in the middle of a write affects no other and
# costs no page.
# Method: nfs-cp of a large file is killed once part of the file has arrived,
# six times, with one more client that was killed in the middle of a record
# (half a WRITE call sent). Afterwards another client copies a file, and with
# the plug-in the number of allocated pages must return to its earlier value.
source "$(dirname "$0")/lib.sh"

has_grown() {
	[[ -s $1 ]]
}

server_start
make_file "$T/large" $((256 << 20))
make_file "$T/small" $((3 << 20))
put 3 "$T/small" before
if with_plugin; then
	sleep 1.2
	idle=$(stat_get pages_out)
fi

for i in 1 2 3 4 5 6; do
	nfs-cp "$T/large" "$(url 3 "killed.$i")" >/dev/null 2>&1 &
	pid=$!
	wait_for "the copy to begin" has_grown "$T/export/killed.$i"
	kill -9 "$pid" || fail "the copy was over before it could be killed"
	wait "$pid" 2>/dev/null || true
	rm -f "$T/export/killed.$i"
done

# A mark that promises more than is sent; then the client is killed.
raw --leave --fragment claim:0x80010000 null

put 3 "$T/small" after
same_file "$T/small" "$T/export/after" "a copy after the deaths"
if with_plugin; then
	wait_stat connections '<=' 1
	wait_stat pages_out '<=' "$idle"
fi
server_stop
