# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Python programs around the real NFS server: `rpcbuf-bench nfs` (bench) and
# `rpcbuf-report` (report). tests/bench/nfs-fio measures with the same modules.
