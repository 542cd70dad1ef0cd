#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the figures of librpcbuf_tirpc beside libtirpc's.
# Method: tests/bench/tirpc with its defaults.
set -euo pipefail

exec python3 "$(dirname "${BASH_SOURCE[0]}")/tirpc"
