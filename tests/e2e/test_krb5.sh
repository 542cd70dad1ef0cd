#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: krb5, krb5i and krb5p work while the plug-in receives, over NFSv3 and
# v4.
# Method: a realm of its own, whose KDC runs on a free port during the test, a
# server that exports to Kerberos alone, and krb5_calls (see its comment). Its
# data are compared on the server's side. Sealed payloads are decoded from a
# stream of their own, so none may count as decoded in the pages; with krb5,
# which seals only the header, Ganesha takes the ordinary path as well. No
# unread sealed reply may stay in memory.
source "$(dirname "$0")/lib.sh"

source "$(dirname "$0")/lib-krb5.sh"

HOW=odd
with_plugin || HOW=plain # a stock server refuses odd fragments

configure() {
	pick_port
	server_configure
	sed -i -e 's/SecType = sys;/SecType = krb5, krb5i, krb5p;/' \
		-e "s|Active_krb5 = false;|Active_krb5 = true; KeytabPath = \"$K/server.keytab\"; PrincipalName = \"nfs@localhost\";|" "$CONF"
}

start_kdc
configure
S_KEEP_PORTS=1 server_start
! raw getattr file 2>/dev/null || fail "a call without Kerberos is served"
before=$(stat_get payloads_in_place)
for service in krb5 krb5i krb5p; do
	for version in 3 4; do
		: >"$EXPORT/file"
		: >"$EXPORT/file.$service.$version"
		chmod 666 "$EXPORT"/file*
		timeout 100 "$BIN/krb5_calls" "$PORT" "$MOUNT_PORT" "$EXPORT" file \
			"$T/mirror" "$service" "$version" "$HOW" || fail "$service, v$version"
		same_file "$T/mirror" "$EXPORT/file" "$service, v$version"
		[[ ! -e $EXPORT/file.$service.$version ]] || fail "REMOVE left the file"
		say "$service, v$version: $(stat -c %s "$T/mirror") bytes"
	done
done
if with_plugin; then
	wait_stat connections == 0
	wait_stat unsent_bytes == 0
	assert_eq "$(stat_get payloads_in_place)" "$before" "sealed payloads in place"
fi
server_stop
