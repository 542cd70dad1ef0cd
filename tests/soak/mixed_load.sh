#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal and method: see tests/e2e/test_mixed_load.sh, here for RPCBUF_SOAK_SECONDS
# (default 600) on each back end.
set -euo pipefail

for engine in epoll io_uring; do
	status=0
	RPCBUF_SOAK_SECONDS=${RPCBUF_SOAK_SECONDS:-600} RPCBUF_TEST_ENGINE=$engine \
		bash "$(dirname "${BASH_SOURCE[0]}")/../e2e/test_mixed_load.sh" || status=$?
	((status == 0 || status == 77)) || exit "$status"
done
