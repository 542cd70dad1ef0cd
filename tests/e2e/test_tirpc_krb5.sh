#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: servers made with libtirpc and librpcbuf_tirpc support RPCSEC_GSS.
# Method: a realm of its own, and gss_calls, which is server and clients (see
# its comment): on libtirpc's transport, and on librpcbuf_tirpc's in both modes.
# One back end: gss_calls makes its own servers.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib-krb5.sh"

calls=$RPCBUF_BUILD/tests/tirpc/gss_calls
[[ -x $calls ]] || skip "librpcbuf_tirpc was not built"
start_kdc
export KRB5_KTNAME=FILE:$K/server.keytab
for server in stock run threads; do
	timeout 250 "$calls" "$server" || fail "$server: exit status $?"
done
