#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: whichever system call the plug-in fails at while a server starts, the
# server names it in its log and ends with an exit status of its own, or serves
# all the same.
# Method: preload/fail_nth.c fails one request of the plug-in, the first, the
# second and so on, until a start makes no more. Then servers start whose page
# allocator has injected faults, and must take a WRITE and give it back.
#
# One back end: io_uring's requests include those of epoll.
source "$(dirname "$0")/lib.sh"
need_plugin "what fails is the plug-in's"

MOST=400 # there are fewer
GANESHA_ABORTS=4 # name and record of the export, records of its root
S_RPCBUF="Memory = 67108864; Receive_Threads = 1;"

ended() {
	! kill -0 "$SERVER" 2>/dev/null
}

taken_over() {
	grep -q 'receiving into page vectors' "$LOG"
}

settled() {
	ended || taken_over
}

# The last sentence of the plug-in that has a reason.
said() {
	grep -aE ':(CRIT|MAJ|FATAL|WARN) :RPCBUF: [^:]*: ' "$LOG" |
		sed 's/.*:\(CRIT\|MAJ\|FATAL\|WARN\) ://' | tail -n 1 || true
}

# It has ended: with a status of its own, and a complete sentence.
check_end() {
	local status=0 said
	wait "$SERVER" 2>/dev/null || status=$?
	SERVER=
	said=$(said)
	# Ganesha's own macros abort without a message, in the plug-in's export
	# and root as everywhere in the server.
	if ((status == 134 && ganesha_aborts < GANESHA_ABORTS)); then
		[[ -z $said && $1 == *" "[cm]*alloc ]] || fail "$1: it aborts; $said"
		ganesha_aborts=$((ganesha_aborts + 1))
		return
	fi
	((status > 0 && status < 128)) || fail "$1: the exit status is $status; $said"
	[[ $said =~ :\ .*[a-z] ]] || fail "$1: the log does not say what could not be had; $said"
	refused=$((refused + 1))
}

end_server() {
	kill -9 "$SERVER"
	wait "$SERVER" 2>/dev/null || true
	SERVER=
}

check_service() {
	raw --retry 10 --count 10 null || fail "$1: calls; $(said)"
	server_alive
	end_server
	served=$((served + 1))
}

build_fail_nth
pick_port
server_configure
S_WRAP="env LD_PRELOAD=$T/fail_nth.so RPCBUF_FAIL_FILE=$T/failed"
refused=0 served=0 ganesha_aborts=0
for ((nth = 1; nth <= MOST; nth++)); do
	rm -f "$T/failed"
	: >"$LOG"
	export RPCBUF_FAIL_NTH=$nth
	server_launch
	wait_for "the start to succeed or to fail" settled
	[[ -e $T/failed ]] || break
	what="call $nth, $(<"$T/failed")"
	if ended; then
		check_end "$what"
	else
		check_service "$what"
	fi
	[[ -z ${RPCBUF_TEST_VERBOSE:-} ]] || say "$what: $(said)"
done
((nth <= MOST)) || fail "$MOST calls, and no end"
end_server
say "of $((nth - 1)) starts with a failure $served served, $refused said why and ended, Ganesha aborted $ganesha_aborts"
assert_cmp "$refused" '>' 0 "starts that were refused"

unset RPCBUF_FAIL_NTH
S_WRAP=
# serves_with FAULT BYTES
serves_with() {
	: >"$LOG"
	export RPCBUF_FAULT=$1
	server_start
	rm -f "$T/back"
	make_file "$T/data" "$2"
	put 3 "$T/data" "$1"
	cp_quiet "$(url 3 "$1")" "$T/back"
	same_file "$T/data" "$T/back" "RPCBUF_FAULT=$1"
	server_stop
}

serves_with every=2 3000000
serves_with reserve 3000000
