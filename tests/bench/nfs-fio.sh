#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal and method: see nfs-fio, which this starts for `ctest -C bench -L bench`
# with its defaults. RPCBUF_BENCH_ARGS adds options, such as "--repeat 1".
set -euo pipefail

read -r -a options <<<"${RPCBUF_BENCH_ARGS:-}"
exec "$(dirname "${BASH_SOURCE[0]}")/nfs-fio" ${options[@]+"${options[@]}"} "$@"
