#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: with 64 busy connections from one address, a single connection from
# another keeps at least 40% of the rate that it has alone; stock beside it.
# Method: busy_client (see its comment): one from 127.0.0.3 with one connection,
# alone and then beside one from 127.0.0.2 with 64 connections at depth 16. All
# share the machine with the server, so the busy one runs at the lowest
# priority: it gets the CPU time that the server and the single client leave.
# The CPU use of each is shown. "apart" is the rate of the single client while
# the busy one calls another server of the same kind: a loss that comes from the
# machine, not from the server.
#
# RPCBUF_BENCH_REPEAT (3) runs of RPCBUF_BENCH_SECONDS (2) each, medians;
# RPCBUF_BENCH_SERVERS (stock epoll io_uring), RPCBUF_BENCH_DEPTHS (1 16),
# RPCBUF_BENCH_CASES (read:4096 write:65536 write:1048576), RPCBUF_BENCH_RPCBUF:
# more lines in RPCBUF, such as "Memory = 64M;".
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

REPEAT=${RPCBUF_BENCH_REPEAT:-3}
SECONDS_EACH=${RPCBUF_BENCH_SECONDS:-2}
read -r -a SERVERS <<<"${RPCBUF_BENCH_SERVERS:-stock epoll io_uring}"
read -r -a DEPTHS <<<"${RPCBUF_BENCH_DEPTHS:-1 16}"
read -r -a CASES <<<"${RPCBUF_BENCH_CASES:-read:4096 write:65536 write:1048576}"
CLIENT=$RPCBUF_BUILD/tests/bench/busy_client
BUSY_CONNECTIONS=64
BUSY_DEPTH=16
LEAD_MS=500
NICE=()
S_RPCBUF=${RPCBUF_BENCH_RPCBUF:-}

# client FILE SOURCE CONNECTIONS DEPTH CASE SECONDS; files of their own, or the
# clients would wait for each other's locks in the file system
client() {
	"${NICE[@]}" "$CLIENT" "$PORT" "$MOUNT_PORT" "$EXPORT" "$1" "$2" "$3" \
		"$4" "${5%:*}" "${5#*:}" "$6"
}

make_files() {
	truncate -s 16M "$EXPORT/lone" "$EXPORT/busy"
	chmod 666 "$EXPORT/lone" "$EXPORT/busy"
}

# A second server, which on_other runs a command against.
other_start() {
	local T=$T/other
	local CONF=$T/ganesha.conf LOG=$T/ganesha.log STATS=$T/statistics
	local PORT MOUNT_PORT EXPORT SERVER
	mkdir -p "$T"
	server_start
	make_files
	OTHER=("$PORT" "$MOUNT_PORT" "$EXPORT" "$SERVER")
}

on_other() {
	local PORT=${OTHER[0]} MOUNT_PORT=${OTHER[1]} EXPORT=${OTHER[2]}
	"$@"
}

other_stop() {
	local STATS=$T/other/statistics LOG=$T/other/ganesha.log SERVER=${OTHER[3]}
	server_stop
}

server_ticks() {
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$SERVER/stat"
}

# lone CASE DEPTH: its calls per second, its CPUs and the server's
lone() {
	local before after result
	before=$(server_ticks)
	result=$(client lone 127.0.0.3 1 "$2" "$1" "$SECONDS_EACH")
	after=$(server_ticks)
	echo "$result $(awk -v ticks=$((after - before)) -v s="$SECONDS_EACH" \
		-v hz="$(getconf CLK_TCK)" 'BEGIN { print ticks / hz / s }')"
}

busy() {
	local NICE=(nice -n 19)
	client busy 127.0.0.2 "$BUSY_CONNECTIONS" "$BUSY_DEPTH" "$1" \
		"$(awk -v s="$SECONDS_EACH" -v lead="$LEAD_MS" \
			'BEGIN { print s + 2 * lead / 1000 }')"
}

# lone_beside COMMAND… CASE DEPTH: lone while COMMAND runs
lone_beside() {
	local pid
	"${@:1:$#-1}" >"$T/busy" &
	pid=$!
	sleep "0.$LEAD_MS"
	lone "${@: -2}"
	wait "$pid" || fail "the busy client"
}

# measure SERVER CASE DEPTH: one line into its results.
measure() {
	local alone apart beside
	alone=$(lone "$2" "$3")
	apart=$(lone_beside on_other busy "$2" "$3")
	beside=$(lone_beside busy "$2" "$3")
	echo "$alone $beside $(<"$T/busy") $apart" >>"$T/results.$1.$2.$3"
}

show() {
	local results=$T/results.$1.$2.$3
	printf '%-14s %5d  %-9s' "$2" "$3" "$1"
	median "$results" 'F1' ' %9.0f'
	median "$results" 'F9' ' %9.0f'
	median "$results" 'F4' ' %9.0f'
	median "$results" '100 * F4 / F1' ' %6.0f%%'
	median "$results" '100 * F4 / F9' ' %8.0f%%'
	median "$results" 'F7' ' %8.0f'
	median "$results" 'F3' '  %5.2f'
	median "$results" 'F6' ' %6.2f'
	median "$results" 'F2' ' %6.2f'
	median "$results" 'F5' ' %6.2f'
	median "$results" 'F8' ' %6.2f\n'
}

for ((run = 0; run < REPEAT; run++)); do
	for server in "${SERVERS[@]}"; do
		S_STOCK=
		RPCBUF_TEST_ENGINE=$server
		if [[ $server == stock ]]; then
			S_STOCK=1
			RPCBUF_TEST_ENGINE=
		elif [[ $server == io_uring ]] && ! "$BIN/has_io_uring"; then
			continue
		fi
		server_start
		make_files
		other_start
		for case in "${CASES[@]}"; do
			for depth in "${DEPTHS[@]}"; do
				measure "$server" "$case" "$depth"
			done
		done
		other_stop
		server_stop
	done
done

cat <<END

LOCAL (loopback device): one connection of 127.0.0.3 alone, and while $BUSY_CONNECTIONS of 127.0.0.2 are busy at depth $BUSY_DEPTH
on another server (apart) and on this one (beside); calls per second, medians of
$REPEAT runs of $SECONDS_EACH s. CPUs that the server, the lone client (alone, beside) and
the busy one (beside) took.

END
printf '%-14s %5s  %-9s %9s %9s %9s %7s %9s %8s  %12s %13s %6s\n' calls depth server \
	alone apart beside "/alone" "/apart" "busy's" "server" "lone" busy
for case in "${CASES[@]}"; do
	for depth in "${DEPTHS[@]}"; do
		for server in "${SERVERS[@]}"; do
			[[ ! -e $T/results.$server.$case.$depth ]] ||
				show "$server" "$case" "$depth"
		done
	done
done
