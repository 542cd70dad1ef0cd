#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the figures of the page allocator beside its peers, as a table and as
# build/bench/alloc.json, for `ctest -C bench -L bench`.
# Method: rpcbuf-bench with its defaults; `tools/setup --bench-peers` installs
# the peers. RPCBUF_ALLOC_ARGS adds options, such as "--repeat=101".
set -euo pipefail

build=${RPCBUF_BUILD:?run it through ctest, or name a build folder in RPCBUF_BUILD}
read -r -a options <<<"${RPCBUF_ALLOC_ARGS:-}"
mkdir -p "$build/bench"
exec "$build/tools/rpcbuf-bench" alloc --json="$build/bench/alloc.json" ${options[@]+"${options[@]}"}
