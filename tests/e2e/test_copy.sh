#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: files that a user copies in come back byte for byte, over NFS v3 and v4.
# Method: libnfs' nfs-cp (for large files over v4 a program on libnfs) writes
# files with sizes around pages, blocks of 1 MiB and larger; they are compared
# by sha256 in the exported folder and as nfs-cp and nfs-cat read them back, and
# nfs-ls must list them with their sizes. A smaller set goes over FSAL_MEM,
# which has no folder to read, once as it is and once completing every read and
# write from threads of its own.
source "$(dirname "$0")/lib.sh"

MIB=1048576
SIZES=(0 1 511 4096 65536 $((MIB - 1)) $((MIB)) $((MIB + 1)) $((64 * MIB)))
SMALL=(0 1 511 4096 65536 $((MIB + 1)))

listed_size() {
	nfs-ls "$(url "$1" "")" 2>"$T/nfs-ls.err" |
		awk -v name="$2" '$NF == name { print $(NF - 1) }'
}

round_trip() {
	local version=$1 size=$2 name=v$1.$2
	put "$version" "$T/in.$size" "$name"
	if [[ $S_FSAL == VFS ]]; then
		same_file "$T/in.$size" "$T/export/$name" "v$version in, $size bytes"
	fi
	cp_quiet "$(url "$version" "$name")" "$T/back"
	same_file "$T/in.$size" "$T/back" "v$version out, $size bytes"
	nfs-cat "$(url "$version" "$name")" >"$T/back" 2>"$T/nfs-cat.err" ||
		fail "nfs-cat of $name: $(cat "$T/nfs-cat.err")"
	same_file "$T/in.$size" "$T/back" "v$version nfs-cat, $size bytes"
	assert_eq "$(listed_size "$version" "$name")" "$size" "nfs-ls of $name"
	rm "$T/back"
}

for size in "${SIZES[@]}"; do
	make_file "$T/in.$size" "$size"
done

server_start
for version in 3 4; do
	for size in "${SIZES[@]}"; do
		round_trip "$version" "$size"
	done
done
server_stop
say "VFS: ${#SIZES[@]} sizes over v3 and v4"

S_FSAL=MEM
for how in synchronous asynchronous; do
	server_start
	for version in 3 4; do
		for size in "${SMALL[@]}"; do
			round_trip "$version" "$size"
		done
	done
	server_stop
	say "MEM, $how: ${#SMALL[@]} sizes over v3 and v4"
	S_MEM="$S_MEM Async_Threads = 3;"
	S_SUB="Async_Type = fixed; Async_Delay = 100;"
done
