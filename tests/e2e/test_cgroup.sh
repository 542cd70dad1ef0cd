#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a server in a container takes its defaults from the container: clients
# that stop in the middle of large records do not get it killed there.
# Method: a control group of version 1 with 256 MiB and one CPU at a time. More
# clients than that holds send the beginnings of 1 MiB records and stay
# connected; no process of the group is killed, others are served, and there is
# one receiver.
source "$(dirname "$0")/lib.sh"
need_plugin "stock is killed"

LIMIT=$((256 << 20))
SILENT=800
SENT=1000000 # bytes of each

# The folder of this process's group of a controller.
group_of() {
	local path
	path=$(sed -n "s/^[0-9]*:\([^:]*,\)\?$1\(,[^:]*\)\?://p" /proc/self/cgroup)
	[[ -n $path ]] || return
	echo "/sys/fs/cgroup/$1${path%/}"
}

remove_groups() {
	wait_for "the groups to be empty" rmdir "${groups[@]}" 2>/dev/null
}

make_groups() {
	local controller folder
	groups=()
	for controller in memory cpu; do
		folder=$(group_of "$controller")/rpcbuf-test.$$
		mkdir "$folder" 2>/dev/null ||
			skip "no control group of version 1 can be made for $controller"
		groups+=("$folder")
	done
	if ! echo "$LIMIT" >"${groups[0]}/memory.limit_in_bytes" ||
		! echo 100000 >"${groups[1]}/cpu.cfs_period_us" ||
		! echo 100000 >"${groups[1]}/cpu.cfs_quota_us"; then
		skip "control groups cannot be given limits"
	fi
}

on_exit_too() {
	[[ -z $SERVER ]] || kill -9 "$SERVER" 2>/dev/null || true
	[[ -z $SERVER ]] || wait "$SERVER" 2>/dev/null || true
	((${#groups[@]} == 0)) || rmdir "${groups[@]}" 2>/dev/null || true
}

killed() {
	awk '$1 == "oom_kill" { print $2 }' "${groups[0]}/memory.oom_control"
}

has_told() {
	[[ -s $T/told ]]
}

groups=()
trap 'status=$?; on_exit_too; (exit $status); on_exit' EXIT
make_groups
cat >"$T/enter" <<END
#!/bin/bash
for group in ${groups[*]}; do echo \$\$ >"\$group/cgroup.procs" || exit; done
exec "\$@"
END
chmod +x "$T/enter"
S_WRAP="$T/enter" server_start
make_file "$T/export/file" 5000
assert_eq "$(cat /proc/"$SERVER"/task/*/comm | grep -c '^rpcbuf-[0-9]')" 1 "receivers"
total=$(stat_get pages_total)
assert_cmp $((total * 4096)) '<=' $((LIMIT / 2)) "the page budget"

mkfifo "$T/hold"
exec 3<>"$T/hold"
raw --connections "$SILENT" --wait --pad "$SENT" bytes \
	801000000000000100000000000000020001 <"$T/hold" >/dev/null 2>"$T/told" 3>&- &
silent=$!
wait_for "the clients to have sent all that fits" has_told
grep -q sent "$T/told" || fail "the clients: $(<"$T/told")"
# One by one: from the same address, the beginning of a call would wait as
# theirs do.
raw --retry 10 --count 20 --interval 1000 getattr file || fail "calls beside them"
server_alive
assert_eq "$(killed)" 0 "processes that the kernel killed in the group"
say "$SILENT clients stopped in a record: $(($(server_rss_kib) >> 10)) MiB of $((LIMIT >> 20))"
kill -9 "$silent"
wait "$silent" 2>/dev/null || true
exec 3>&-
raw --count 100 getattr file || fail "calls after them"
server_stop
remove_groups
groups=()
