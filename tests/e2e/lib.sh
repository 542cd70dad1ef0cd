# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
#
# What the end-to-end tests share: a real ganesha.nfsd on free ports in a folder
# of its own, with the plug-in under it or without, and the clients' addresses.
# Source it first: it makes the folder $T with the export $T/export, and on exit
# ends by their pids the processes that the test started.
#
# A test sets these before server_start (and may change them for the next one):
#   S_FSAL     VFS or MEM                 S_CORE    more lines in NFS_CORE_PARAM
#   S_STOCK    1: without the plug-in     S_RPCBUF  more lines in RPCBUF
#   S_MEM      lines in MEM               S_SUB     more lines in the sub-FSAL
#   S_SLOW     1: FSAL SLOW in between, see fsal_slow/fsal_slow.c
#   S_DEBUG    1: the plug-in that asserts more, and can be held: see pause_at
#
#   RPCBUF_TEST_ENGINE=epoll|io_uring
#                        the back end that every server with the plug-in must
#                        have and report; without it, the one that it chooses
#   RPCBUF_TEST_STOCK=1  every server is a stock one; what only the plug-in can
#                        do is skipped (or fails, where stock is simply wrong)
#   RPCBUF_TEST_KEEP=1   the folder stays
set -euo pipefail

RPCBUF_SOURCE=${RPCBUF_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
RPCBUF_BUILD=${RPCBUF_BUILD:-$RPCBUF_SOURCE/build}
BIN=$RPCBUF_BUILD/tests/e2e
PLUGIN=$RPCBUF_BUILD/fsal/libfsalrpcbuf.so
DEBUG_PLUGIN=$RPCBUF_BUILD/fsal/debug/libfsalrpcbuf.so
START_SECONDS=60
STOP_SECONDS=5
HOST=127.0.0.1
SKIP=77

S_FSAL=VFS
S_STOCK=${RPCBUF_TEST_STOCK:-}
S_CORE=
S_RPCBUF=
S_MEM='Inode_Size = 0x200000;' # without it, files have no content
S_SUB=
S_SLOW=
S_DEBUG=

if [[ ${RPCBUF_TEST_ENGINE:-} == io_uring ]] && ! "$BIN/has_io_uring"; then
	echo "$(basename "$0" .sh): skipped: the kernel does not permit io_uring"
	exit "$SKIP"
fi

T=$(mktemp -d "${TMPDIR:-/tmp}/rpcbuf-e2e.XXXXXX")
CONF=$T/ganesha.conf
LOG=$T/ganesha.log
STATS=$T/statistics
# shellcheck disable=SC2034
STOP_MS=0 # how long the last server_stop took
SERVER=

now_ms() {
	local now=$EPOCHREALTIME
	echo $((${now/[.,]/} / 1000))
}

say() {
	echo "$(basename "$0" .sh): $*"
}

fail() {
	say "FAILED: $*" >&2
	exit 1
}

skip() {
	say "skipped: $*"
	exit "$SKIP"
}

with_plugin() {
	[[ -z $S_STOCK ]]
}

need_plugin() {
	with_plugin || skip "$1"
}

on_exit() {
	local status=$? pid
	trap - EXIT INT TERM
	if ((status != 0 && status != SKIP)); then
		echo "--- statistics, and the last lines of the server's log:" >&2
		grep -v ' 0$' "$STATS" 2>/dev/null | paste -s -d ' ' >&2 || true
		grep -vE ':EVENT :|:DBUS :|NFS CB :|RADOS|gssd_|:LOG: Changing' \
			"$LOG" | tail -n 20 >&2 || true
		grep 'EVENT :RPCBUF' "$LOG" | tail -n 5 >&2 || true
	fi
	for pid in $(jobs -p); do
		kill -9 "$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	if [[ -n ${RPCBUF_TEST_KEEP:-} ]]; then
		say "kept $T"
	else
		rm -rf "$T"
	fi
	exit "$status"
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

port_is_free() {
	! (exec 3<>"/dev/tcp/$HOST/$1") 2>/dev/null
}

# A free port below those of outgoing connections.
pick_port() {
	PORT=$((20500 + (RANDOM * 32768 + RANDOM) % 11000))
	until port_is_free "$PORT"; do
		PORT=$((PORT + 1))
	done
}

# The configuration is the one of tools/serve, with the test's lines added.
server_configure() {
	rm -rf "$T/recovery" # else it would wait for clients of the last one
	local options=(--config --run-dir "$T" --port "$PORT" --fsal "$S_FSAL"
		--engine "${RPCBUF_TEST_ENGINE:-auto}")
	with_plugin || options+=(--stock)
	EXPORT=$T/export
	mkdir -p "$EXPORT"
	chmod 777 "$EXPORT"
	"$RPCBUF_SOURCE/tools/serve" "${options[@]}" "$EXPORT" >/dev/null || return
	MOUNT_PORT=$(sed -n 's/.*MNT_Port = \([0-9]*\);/\1/p' "$CONF")
	if with_plugin; then
		ln -sf "$([[ $S_DEBUG ]] && echo "$DEBUG_PLUGIN" || echo "$PLUGIN")" "$T/plugins/"
	fi
	if [[ $S_RPCBUF == *Memory* ]]; then
		sed -i '/Memory = /d' "$CONF"
	fi
	if [[ $S_RPCBUF == *Engine* ]]; then
		sed -i '/Engine = /d' "$CONF"
	fi
	printf '%s\n' "$S_CORE" >"$T/core.lines"
	printf '%s\n' "$S_RPCBUF" >"$T/rpcbuf.lines"
	sed -i -e "/^NFS_CORE_PARAM {/r $T/core.lines" \
		-e "/^RPCBUF {/r $T/rpcbuf.lines" \
		-e "s|FSAL { Name = $S_FSAL;|& $S_SUB|" "$CONF"
	echo "MEM { $S_MEM }" >>"$CONF"
	if [[ -n $S_SLOW ]]; then
		ln -sf "$BIN/libfsalslow.so" "$T/plugins/"
		sed -i "s|FSAL { Name = $S_FSAL;[^}]*}|FSAL { Name = SLOW; & }|" "$CONF"
	fi
}

# Starts ganesha.nfsd with the configuration of server_configure, does not wait
# for it. Tests hold clients' inputs open as descriptor 3; the server must not.
# S_WRAP: a command to start it under, which must exec it. Its rpcbind is its
# own, so that tests may run in parallel.
server_launch() {
	rm -f "$STATS"
	# shellcheck disable=SC2086 # a command and its options
	setpriv --pdeathsig KILL \
		"$RPCBUF_SOURCE/tools/with-rpcbind" --private ${S_WRAP:-} \
		ganesha.nfsd -F -f "$CONF" -L "$LOG" -p "$T/pid" \
		>>"$T/ganesha.out" 2>&1 3>&- &
	SERVER=$!
}

server_wait() {
	local end=$(($(now_ms) + START_SECONDS * 1000))
	until raw null 2>/dev/null && raw mount >/dev/null 2>&1; do
		if ! kill -0 "$SERVER" 2>/dev/null; then
			return 1
		fi
		if (($(now_ms) > end)); then
			fail "the server does not serve after $START_SECONDS s"
		fi
		sleep 0.05
	done
	! with_plugin || check_engine
}

# A server that falls back to another back end than requested must not pass.
check_engine() {
	wait_for "the statistics file" test -s "$STATS"
	[[ -z ${RPCBUF_TEST_ENGINE:-} || $S_RPCBUF == *Engine* ]] ||
		assert_eq "$(stat_get engine)" "$RPCBUF_TEST_ENGINE" "the engine reported"
}

# S_KEEP_PORTS: the ports of the last server. A port that another process took
# in between is replaced.
server_start() {
	local attempt
	for attempt in 1 2 3 4; do
		if [[ -z ${S_KEEP_PORTS:-} ]]; then
			pick_port
			server_configure || continue
		fi
		server_launch
		if server_wait; then
			return
		fi
		wait "$SERVER" || true
		SERVER=
		grep -qE 'Cannot bind|Address already in use' "$LOG" || break
	done
	fail "the server does not start ($attempt times tried)"
}

# Two exports over FSAL SLOW, both with a file "file": $EXPORT hangs for as long as
# the file $RPCBUF_SLOW_HOLD exists, and $OTHER.
server_start_slow_pair() {
	S_SLOW=1
	export RPCBUF_SLOW_HOLD=$T/held
	OTHER=$T/other
	pick_port
	server_configure
	mkdir -p "$OTHER"
	sed -n '/^EXPORT {/,/^}/p' "$CONF" |
		sed "s|Export_Id = 1|Export_Id = 300|; s|\"$EXPORT\"|\"$OTHER\"|" >"$T/other.lines"
	cat "$T/other.lines" >>"$CONF"
	S_KEEP_PORTS=1
	server_start
	make_file "$EXPORT/file" 8192
	make_file "$OTHER/file" 8192
}

# Milliseconds so far in which the machine let a process wait for a CPU or a
# disk; where it does not tell, all of them.
short_ms() {
	awk -F= '/^some/ { us += $NF } END { if (!us) exit 1; print int(us / 1000) }' \
		/proc/pressure/cpu /proc/pressure/io 2>/dev/null || now_ms
}

# SIGTERM; the server must end in time, with status 0 and every page free. Time
# that a busy machine takes from it does not count.
server_stop() {
	local begin short status=0
	begin=$(now_ms)
	short=$(short_ms)
	kill -TERM "$SERVER" || fail "the server is gone before its SIGTERM"
	while kill -0 "$SERVER" 2>/dev/null; do
		STOP_MS=$(($(now_ms) - begin))
		((STOP_MS <= STOP_SECONDS * 1000)) ||
			((STOP_MS < 60000 && STOP_MS - $(short_ms) + short <= STOP_SECONDS * 1000)) ||
			fail "the server still runs $STOP_MS ms after SIGTERM"
		sleep 0.02
	done
	STOP_MS=$(($(now_ms) - begin))
	wait "$SERVER" || status=$?
	SERVER=
	if ((status != 0)); then
		fail "the server's exit status is $status"
	fi
	if with_plugin; then
		assert_eq "$(stat_get pages_out)" 0 "pages out after the end"
		! grep -E 'RPCBUF: (pages were not released|calls are still)' "$LOG" ||
			fail "the plug-in did not end cleanly"
	fi
}

# wait_for WHAT COMMAND…: until it succeeds; the limit only ends a hung test.
wait_for() {
	local what=$1 end
	shift
	end=$(($(now_ms) + 60000))
	until "$@"; do
		if (($(now_ms) > end)); then
			fail "waited 60 s in vain for $what"
		fi
		sleep 0.05
	done
}

assert_eq() {
	[[ $1 == "$2" ]] || fail "$3: $1, expected $2"
}

# assert_cmp LEFT OPERATOR RIGHT WHAT, integers
assert_cmp() {
	local expression="$1 $2 $3"
	((expression)) || fail "$4: $1, expected $2 $3"
}

# One counter; empty if the server does not have it.
stat_get() {
	awk -v name="$1" '$1 == name { print $2 }' "$STATS" 2>/dev/null || true
}

# stat_is NAME OPERATOR VALUE, for wait_for: the file is a second behind.
stat_is() {
	local value expression
	value=$(stat_get "$1")
	expression="$value $2 $3"
	[[ -n $value ]] && ((expression))
}

wait_stat() {
	wait_for "the statistics to show $*" stat_is "$@"
}

# sockets_in STATE…: number of connections of clients to the server's port in
# one of these states, in hexadecimal as in /proc/net/tcp (CLOSE_WAIT is 08).
sockets_in() {
	awk -v port="$(printf ':%04X' "$PORT")" -v states=" $* " \
		'$2 ~ port "$" && index(states, " " $4 " ") { n++ } END { print n + 0 }' \
		"/proc/$SERVER/net/tcp" "/proc/$SERVER/net/tcp6"
}

server_rss_kib() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$SERVER/status"
}

# segment_of PID [NAME]: the name of its file.
segment_of() {
	echo "rpcbuf-$1.$(stat -L -c %i /proc/self/ns/pid)${2:+-$2}"
}

server_alive() {
	kill -0 "$SERVER" 2>/dev/null || fail "the server has died"
}

# pause_at POINT: holds the first thread of the server (with S_DEBUG) that
# reaches that point from now on (rpcbuf/os/pause.h); paused POINT waits for it,
# and pause_end POINT releases it.
export RPCBUF_PAUSE=$T/pause

pause_at() {
	mkdir -p "$RPCBUF_PAUSE"
	: >"$RPCBUF_PAUSE/$1"
}

paused() {
	wait_for "a thread at the point \"$1\"" test -e "$RPCBUF_PAUSE/$1.here"
}

pause_end() {
	rm "$RPCBUF_PAUSE/$1.here" || fail "no thread is at the point \"$1\" any more"
}

# To be preloaded, see there.
build_fail_nth() {
	"${CC:-cc}" -D_GNU_SOURCE -Wall -Wextra -Wno-nonnull -shared -fPIC \
		-o "$T/fail_nth.so" "$RPCBUF_SOURCE/tests/e2e/preload/fail_nth.c"
}

url() {
	echo "nfs://$HOST$EXPORT/$2?nfsport=$PORT&mountport=$MOUNT_PORT&version=$1"
}

raw() {
	"$BIN/rawrpc" --host "$HOST" --port "$PORT" \
		--mount-port "$MOUNT_PORT" --export "$EXPORT" "$@"
}

make_file() {
	head -c "$2" /dev/urandom >"$1"
}

hash_of() {
	sha256sum <"$1"
}

same_file() {
	[[ $(hash_of "$1") == "$(hash_of "$2")" ]] || fail "$3: the hashes differ"
}

# same_blocks FILE OTHER SIZE WHAT: whose blocks of SIZE bytes came in any order.
same_blocks() {
	[[ $(hash_blocks "$1" "$3") == "$(hash_blocks "$2" "$3")" ]] ||
		fail "$4: the hashes differ"
}

hash_blocks() {
	split -b "$2" --filter=sha256sum "$1" | sort
}

cp_quiet() {
	local said
	said=$(nfs-cp "$1" "$2" 2>&1) || fail "nfs-cp $1 $2: $said"
}

# put VERSION FILE NAME: over v4, nfs-cp of libnfs 4.0 cannot send more than fits
# into 4 KiB with the call (see nfs_write.c).
put() {
	local said
	if (($1 == 3 || $(stat -c %s "$2") <= 2048)); then
		cp_quiet "$2" "$(url "$1" "$3")"
	else
		said=$("$BIN/nfs_write" copy "$(url "$1" "$3")" "$2" 2>&1) ||
			fail "nfs_write copy $2 over v$1: $said"
	fi
}
