#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: writes of any size at any offset, many in flight, reach the right place.
# Method: nfs_write mirrors seeded random writes (1 byte to 1 MiB, up to 16 in
# flight) into a local file; the exported file must hash like it, and so must
# the bytes that nfs-cp reads back. Over v3 and v4, two seeds each;
# RPCBUF_TEST_SEED adds one.
source "$(dirname "$0")/lib.sh"

WRITES=1500

server_start
for seed in 1 2 ${RPCBUF_TEST_SEED:-}; do
	for version in 3 4; do
		name=random.$version.$seed
		"$BIN/nfs_write" --seed "$seed" --writes "$WRITES" random \
			"$(url "$version" "$name")" "$T/$name" >"$T/progress" ||
			fail "seed $seed over v$version"
		assert_eq "$(tail -n 1 "$T/progress")" "$WRITES" "writes made"
		same_file "$T/$name" "$T/export/$name" "seed $seed over v$version"
		cp_quiet "$(url "$version" "$name")" "$T/back"
		same_file "$T/$name" "$T/back" "read back, seed $seed, v$version"
		rm "$T/back"
	done
done
server_stop
say "$WRITES writes per seed and version"
