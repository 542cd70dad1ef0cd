#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the server's own calls work while the plug-in receives: their replies
# arrive in its receive path, shorter than any call, on connections that the
# server opened and on those of its clients.
# Method: nfs4_callbacks and nfs4_back_channel (see their comments) are called;
# the server's log shows the callback channels that it considers up, so a lost
# or damaged answer shows even though the server continues without it.
#
# v4.0: with delegations on, SETCLIENTID_CONFIRM makes a CB_NULL call and waits
# for the reply (nfs_test_cb_chan()), for 3 s and once more. NLM and NSM:
# test_nlm.sh.
#
# v4.1: the server binds the back channel to the client's connection in
# CREATE_SESSION (nfs_rpc_create_chan_v41()), but calls there only to recall
# delegations and layouts (nfs_rpc_cb_single(), from fsal_up_top.c alone), which
# neither VFS nor MEM grants. So preload/cb_null.c calls for it.
#
# A refusal that arrives before the calling thread checks may count as success:
# clnt_req_wait_reply() sets the status after it has sent. A lost one never
# does.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib-callbacks.sh"

ANSWERED='0 0 0 0 0 0 0 0 0 0 0 0 (0|10) (0|6) (0|7) (0|7)'
TIMED_OUT=5
HOW=odd
with_plugin || HOW=plain # a stock server refuses odd fragments

# called PROGRAM COMMAND
called() {
	timeout 60 "$BIN/$1" "$PORT" "$2" "$HOW" || fail "$*"
}

# start_calling COUNT: as start, and the server calls each session.
start_calling() {
	rm -f "$T/statuses"
	RPCBUF_CB_STATUS=$T/statuses RPCBUF_CB_COUNT=$1 \
		S_WRAP="env LD_PRELOAD=$T/cb_null.so" start
}

statuses_are() {
	[[ $(paste -s -d ' ' "$T/statuses" 2>/dev/null) =~ ^$1$ ]]
}

# The server keeps a transport with a back channel as long as its client's
# lease; the client is notified at once.
none_left_open() {
	(($(sockets_in 01 08) == 0))
}

start
called nfs4_back_channel unasked
for part in answered held many moved; do
	called nfs4_callbacks "$part"
	assert_eq "$(channels_down)" 0 "callback channels down after $part"
done
called nfs4_callbacks refused
before=$(channels_down)
called nfs4_callbacks absent
assert_eq "$(channels_down)" $((before + 1)) "channels down, without a listener"
called nfs4_callbacks held
assert_eq "$(channels_down)" $((before + 1)) "channels down in the end"
! with_plugin || wait_stat connections '<=' 1
server_stop

build_preload
start_calling 16
called nfs4_back_channel answered
wait_for "the statuses of 16 calls" statuses_are "$ANSWERED"
! with_plugin || wait_for "the client's connections to be shut down" none_left_open
server_stop

start_calling 1
called nfs4_back_channel gone
wait_for "the call to time out" statuses_are "$TIMED_OUT"
raw null
! with_plugin || wait_stat connections '<=' 1
server_stop
