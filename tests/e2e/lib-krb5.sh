# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
#
# What the tests with Kerberos share: a realm of their own, whose KDC runs on a
# free port for the time of the test; the service nfs/localhost, whose key is
# in $K/server.keytab, and a user, whose key clients find. Source it after lib.sh.

REALM=RPCBUF.TEST
K=$T/krb5
export KRB5_CONFIG=$K/krb5.conf KRB5_KDC_PROFILE=$K/kdc.conf
export KRB5CCNAME=FILE:$K/ccache KRB5_CLIENT_KTNAME=FILE:$K/client.keytab
PATH=$PATH:/usr/sbin:/sbin

write_realm() {
	mkdir -p "$K"
	cat >"$KRB5_CONFIG" <<END
[libdefaults]
	default_realm = $REALM
	dns_lookup_realm = false
	dns_lookup_kdc = false
	dns_canonicalize_hostname = false
	rdns = false
	udp_preference_limit = 1
[realms]
	$REALM = {
		kdc = $HOST:$KDC_PORT
	}
[domain_realm]
	localhost = $REALM
END
	cat >"$KRB5_KDC_PROFILE" <<END
[kdcdefaults]
	kdc_listen = ""
	kdc_tcp_listen = $HOST:$KDC_PORT
[realms]
	$REALM = {
		database_name = $K/principal
		key_stash_file = $K/stash
		acl_file = $K/acl
	}
END
}

make_realm() {
	{
		kdb5_util create -s -r "$REALM" -P "$RANDOM$RANDOM" &&
			kadmin.local addprinc -randkey nfs/localhost &&
			kadmin.local addprinc -randkey someone &&
			kadmin.local ktadd -k "$K/server.keytab" nfs/localhost &&
			kadmin.local ktadd -k "$K/client.keytab" someone
	} >"$K/log" 2>&1 || fail "the realm: $(cat "$K/log")"
}

kdc_answers() {
	! port_is_free "$KDC_PORT"
}

start_kdc() {
	pick_port
	KDC_PORT=$PORT
	write_realm
	make_realm
	setpriv --pdeathsig KILL krb5kdc -n >>"$K/log" 2>&1 &
	wait_for "the KDC" kdc_answers
}
