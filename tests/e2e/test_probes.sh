#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the two scripts for bpftrace show what happens: each request of a server
# with its pages, bytes and reply, and the waits for pages.
# Method: bpftrace attaches to a real server with the first script; a client
# makes known calls, and the counts that the script prints must be theirs, in
# both versions of the protocol. The second script observes an engine without a
# server that is always short of pages; and every thread that goes to sleep for
# pages is seen to wake up.
# One back end: requests fire their probes above it.
source "$(dirname "$0")/lib.sh"
need_plugin "there are no probes without the plug-in"

COUNT=24
SCRIPTS=$RPCBUF_SOURCE/tools/bpftrace
STRESS=$RPCBUF_BUILD/tests/stress
OUT=$T/bpftrace.out

command -v bpftrace >/dev/null || skip "bpftrace is not installed"
readelf -n "$PLUGIN" 2>/dev/null | grep 'Provider: rpcbuf' >/dev/null ||
	skip "the plug-in was built without probes"
bpftrace -e "usdt:$PLUGIN:rpcbuf:request_received { exit(); } BEGIN { exit(); }" >"$OUT" 2>&1 ||
	skip "bpftrace cannot attach here: $(tail -n 1 "$OUT")"

# watch SCRIPT OPTION...: in the background. Probes are attached in the order of
# the script, so the added line shows that all are.
watch() {
	local script=$T/$1
	shift
	{
		cat "$script"
		cat <<'END'
interval:ms:50 /!@attached/ { @attached = 1; printf("attached\n"); }
END
	} >"$script.watch"
	setpriv --pdeathsig KILL bpftrace "$@" "$script.watch" >"$OUT" 2>&1 3>&- &
	WATCH=$!
	wait_for "bpftrace to attach" said_attached
}

# bpftrace reads no arguments of probes in a library of a process whose root is
# not the root of its mount namespace: those of a chroot, not those of a container.
in_chroot() { [[ ! / -ef /proc/1/root ]]; }

said_attached() {
	if ! kill -0 "$WATCH" 2>/dev/null; then
		if in_chroot && grep -q "couldn't get argument" "$OUT"; then
			skip "bpftrace reads no arguments of a library's probes in a chroot"
		fi
		fail "bpftrace: $(tail -n 5 "$OUT")"
	fi
	grep -q '^attached' "$OUT"
}

watch_end() {
	kill -INT "$WATCH"
	wait "$WATCH" || fail "bpftrace's exit status is $?: $(tail -n 5 "$OUT")"
}

# rows NAME [ROW]: the sum of all histograms of that name, or of a row of them.
rows() {
	awk -v name="@$1[" -v row="${2:-}" '
		/^@/ { ours = index($0, name) == 1; next }
		ours && /^[[(]/ && (row == "" || index($0, row) == 1) {
			sub(/^[^])]*[])] */, ""); sum += $1 }
		END { print sum + 0 }' "$OUT"
}

call() {
	awk -v name="@calls[$1]:" 'index($0, name) == 1 { print $NF }' "$OUT"
}

server_start
: >"$T/export/file"
chmod 666 "$T/export/file"
cp "$SCRIPTS"/*.bt "$T"
watch rpcbuf-requests.bt -p "$SERVER"
for version in 3 4; do
	"$BIN/payloads" "$PORT" "$MOUNT_PORT" "$EXPORT" file "$version" sys 65536 "$COUNT" alone >/dev/null ||
		fail "payloads over v$version"
done
wait_stat in_flight == 0
watch_end

assert_eq "$(call '100003, 3, 7')" "$COUNT" "WRITEs that were dispatched"
assert_cmp "$(call '100003, 4, 1')" '>=' "$COUNT" "compounds that were dispatched"
assert_eq "$(rows pages '[16, 32)')" $((2 * COUNT)) "requests of 17 pages"
assert_cmp "$(rows receive_ns)" '>=' $((4 * COUNT)) "requests received"
assert_eq "$(rows reply_ns)" "$(rows pages)" "requests that were replied to"
assert_eq "$(rows reply_pages '[16, 32)')" $((2 * COUNT)) "replies whose data were read into 16 pages"
assert_eq "$(rows reply_pages '[1]')" $(($(rows pages) - 2 * COUNT)) "replies of one page"
grep -qE "^@reply_bytes\[::ffff:$HOST, [0-9]+\]: count [0-9]+, average [0-9]+, " "$OUT" || fail "no bytes of replies: $(cat "$OUT")"
grep -qF "@bytes[::ffff:$HOST, " "$OUT" || fail "no client $HOST: $(cat "$OUT")"
server_stop

# under PROGRAM SECONDS BPFTRACE-OPTION...: from the program's start to its end.
under() {
	local program=$1 seconds=$2
	shift 2
	RPCBUF_STRESS_SECONDS=$seconds timeout 120 bpftrace -c "$program $seconds" "$@" \
		>"$OUT" 2>&1 || fail "$program under bpftrace: $(tail -n 5 "$OUT")"
}

sed "s|usdt:\*|usdt:$STRESS/stress_engine|" "$SCRIPTS/rpcbuf-waits.bt" >"$T/waits.bt"
under "$STRESS/stress_engine" 6 "$T/waits.bt"
for name in queued_us parked_us; do
	assert_cmp "$(rows "$name")" '>' 0 "waits in @$name"
done
grep -q '^@woken_by' "$OUT" || fail "no thread was woken: $(cat "$OUT")"
say "short of pages: $(rows queued_us) waits of loops, $(rows parked_us) of clients"

probe=usdt:$STRESS/stress_mm_wait:rpcbuf
under "$STRESS/stress_mm_wait" 1 -e "
	$probe:sleep { @begun = count(); }
	$probe:sleep_end { @asleep_us[comm] = hist(arg2 / 1000); }"
assert_cmp "$(rows asleep_us)" '>' 0 "sleeps"
assert_eq "$(awk '$1 == "@begun:" { print $2 }' "$OUT")" "$(rows asleep_us)" "sleeps that ended"
