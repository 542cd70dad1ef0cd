# SPDX-License-Identifier: LGPL-3.0-or-later
#
# What is aimed at: per case the ratios of operations per second, at least, and of
# the server's CPU time per operation, at most. Used by nfs-fio.

from rpcbuf_nfs.case import Case

GOALS = {Case("randread", "4k", 16): (3.2, 0.27),
         Case("write", "4k", 16): (2.1, 0.40),
         Case("randread", "4k", 1): (2.2, 0.75),
         Case("write", "4k", 1): (1.4, 1.0),
         Case("randread", "64k", 8): (2.3, 0.38),
         Case("write", "64k", 8): (2.0, 0.40),
         Case("randread", "1m", 8): (1.7, 0.55),
         Case("write", "1m", 8): (1.5, 0.33),
         Case("randread", "4k", 4, 64): (1.5, None),
         Case("write", "4k", 4, 64): (1.5, None),
         Case("randread", "64k", 2, 64): (1.5, None),
         Case("write", "64k", 2, 64): (1.5, None),
         Case("randread", "1m", 1, 64): (1.1, None),
         Case("write", "1m", 1, 64): (1.1, None)}
CASES = list(GOALS)
BY_NAME = {case.name: dict(zip(("ops_per_s", "cpu_us_per_op"), goals))
           for case, goals in GOALS.items()}
