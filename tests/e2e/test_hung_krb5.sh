#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: calls under Kerberos have no more than their export's share of the
# threads either, and those answered "later" are answered under their own seal.
# Method: krb5_hung (see its comment). None of them waits, as its sequence
# number would grow too old.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib-krb5.sh"
need_plugin "a stock server has no share for an export"

# Of 16 threads a client has 4 in an export.
CALLS=40
LATER=$((CALLS - 4))
S_RPCBUF="Max_Threads = 16;"
S_SLOW=1
export RPCBUF_SLOW_HOLD=$T/held

start_kdc
pick_port
server_configure
sed -i -e 's/SecType = sys;/SecType = krb5, krb5i, krb5p;/' \
	-e "s|Active_krb5 = false;|Active_krb5 = true; KeytabPath = \"$K/server.keytab\"; PrincipalName = \"nfs@localhost\";|" "$CONF"
S_KEEP_PORTS=1
server_start
make_file "$EXPORT/file" 8192
chmod 666 "$EXPORT/file"
for service in krb5 krb5i krb5p; do
	for version in 3 4; do
		timeout 200 "$BIN/krb5_hung" "$PORT" "$MOUNT_PORT" "$EXPORT" \
			"$RPCBUF_SLOW_HOLD" "$service" "$version" "$CALLS" "$LATER" ||
			fail "$service, v$version"
		wait_stat in_flight == 0
		say "$service, v$version: $LATER of $CALLS told to come later"
	done
done
server_stop
