#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a call that sleeps in the file system delays neither the calls behind it
# on its connection nor any other; the number of threads is limited, and idle
# ones end.
# Method: FSAL SLOW below the plug-in, whose reads are held until the replies to
# the others have come (slow_reads): order decides, not time. With nearly as
# many slow calls as one client may have running in one export, and with more,
# the number of threads stays within its limit, every call is answered once, and
# the threads end when idle. Last, the server is stopped while as many calls as
# allowed run and do not return: it calls rpcbind then, and must get the
# answers; and while a WRITE runs that continues only when the server has
# stopped and removes its exports.
source "$(dirname "$0")/lib.sh"

MAX_THREADS=72
# Of an export; a client has half of that.
MOST=$((MAX_THREADS / 2))
S_SLOW=1
S_RPCBUF="Max_Threads = $MAX_THREADS;"
export RPCBUF_SLOW_HOLD=$T/held

slow_reads() {
	"$BIN/slow_reads" "$PORT" "$MOUNT_PORT" "$EXPORT" "$RPCBUF_SLOW_HOLD" "$@"
}

# hold_many COMMAND N: runs it, and checks the server while the reads are held.
hold_many() {
	local pid
	rm -f "$T/said"
	slow_reads "$@" <"$T/go" >"$T/said" &
	pid=$!
	exec 3>"$T/go"
	wait_for "the slow reads to be sent" grep -q held "$T/said"
	if with_plugin; then
		# Calls without a free thread wait without one.
		wait_stat in_flight == "$2"
		wait_stat queued == $(($2 > MOST / 2 ? $2 - MOST / 2 : 0))
		assert_cmp "$(stat_get threads)" '<=' "$MOST" "threads at $*"
		say "$*: $(stat_get threads) threads, $(stat_get in_flight) calls in flight"
	fi
	exec 3>&-
	wait "$pid" || fail "slow_reads $*"
}

mkfifo "$T/go"
server_start
make_file "$T/export/slow" 100000
make_file "$T/plain" 65536
before=$(stat_get threads)
slow_reads beside || fail "slow_reads beside"
hold_many many 16
hold_many flood 200
if with_plugin; then
	wait_stat in_flight == 0
	wait_stat threads '<=' $((before + 1))
	assert_cmp "$(stat_get handovers)" '>=' 5 "loops handed over"
fi
slow_reads beside || fail "slow_reads beside, once more"
with_plugin || exit 0

is_gone() {
	! kill -0 "$SERVER" 2>/dev/null
}

# SIGTERM while calls run that do not return in time.
end_with_calls() {
	local status=0
	kill -TERM "$SERVER"
	wait_for "the end of the server" is_gone
	wait "$SERVER" || status=$?
	SERVER=
	grep -q 'calls are still running' "$LOG" || fail "no call was running at the end"
	assert_eq "$status" 0 "the exit status of the server, $1"
	kill -9 "$client" 2>/dev/null || true
	wait "$client" 2>/dev/null || true
}

slow_reads flood 200 <"$T/go" >"$T/said" 2>&1 &
client=$!
exec 3>"$T/go"
wait_stat queued == $((200 - MOST / 2))
end_with_calls "whose reads never return"
exec 3>&-

# Its pages are still the arguments of a call when the server has stopped.
rm -f "$T"/export/slow
server_start
touch "$RPCBUF_SLOW_HOLD" "$T/export/slow"
raw write slow $((1 << 40)) 65536 <"$T/plain" >/dev/null 2>&1 &
client=$!
wait_stat in_flight '>=' 1
end_with_calls "whose write returns late"
