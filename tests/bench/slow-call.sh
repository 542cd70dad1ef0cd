#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: with one call that sleeps 200 ms each second on a connection at depth
# 16, the 99th percentile of the others stays under 5 ms; stock beside it.
# Method: slow_call (see its comment), against servers with FSAL SLOW below:
# stock and each back end alternately, RPCBUF_BENCH_REPEAT (default 3) times for
# RPCBUF_BENCH_SECONDS (default 5); medians of the runs.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

REPEAT=${RPCBUF_BENCH_REPEAT:-3}
SECONDS_EACH=${RPCBUF_BENCH_SECONDS:-5}
DEPTH=16
CLIENT=$RPCBUF_BUILD/tests/bench/slow_call
S_SLOW=1

# measure SLOW-CALLS-A-SECOND: one line into the results of this server.
measure() {
	"$CLIENT" "$PORT" "$MOUNT_PORT" "$EXPORT" file "$DEPTH" "$SECONDS_EACH" \
		"$1" >>"$T/results.$server.$1" || fail "slow_call"
}

servers=(stock epoll)
! "$BIN/has_io_uring" || servers+=(io_uring)
for ((run = 0; run < REPEAT; run++)); do
	for server in "${servers[@]}"; do
		S_STOCK=
		RPCBUF_TEST_ENGINE=$server
		if [[ $server == stock ]]; then
			S_STOCK=1
			RPCBUF_TEST_ENGINE=
		fi
		server_start
		truncate -s 1M "$EXPORT/file"
		measure 0
		measure 1
		server_stop
	done
done

printf '\nLOCAL (loopback device): READs of 4 KiB at depth %d, milliseconds, medians of %d runs of %s s\n' \
	"$DEPTH" "$REPEAT" "$SECONDS_EACH"
printf '%-10s %-22s %10s %8s %8s %8s\n' server "slow calls a second" calls/s p50 p99 longest
for server in "${servers[@]}"; do
	for slow in 0 1; do
		results=$T/results.$server.$slow
		printf '%-10s %-22s %10s %8s %8s %8s\n' "$server" "$slow" \
			"$(median "$results" F1)" "$(median "$results" F2)" \
			"$(median "$results" F3)" "$(median "$results" F4)"
	done
done
