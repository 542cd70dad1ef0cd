# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Made-up results, as rpcbuf-bench nfs writes them.

import json
import os

from rpcbuf_nfs.results import FORMAT, FORMAT_VERSION

SIDES = ("stock", "tuned", "jemalloc", "rpcbuf")
ROLES = {"tuned": "base", "before": "base", "ceiling": "aside"}
ROUNDS = 9
CASES = ("4k-randread-qd16", "1m-write-qd8")


def head(cases=CASES, sides=SIDES, **machine):
    return {"format": FORMAT, "version": FORMAT_VERSION, "type": "run",
            "time": 1.7e9,
            "machine": {"cpus": 2, "kernel": "6.1", "cpu_model": "A <fast> one",
                        "memory_mib": 4096, **machine},
            "software": {"fio": "fio-3.33", "rpcbuf": "0.1.0"},
            "settings": {"cases": list(cases), "repeat": ROUNDS, "seconds": 2,
                         "size_mib": 64, "client": "libnfs",
                         "file_system": "tmpfs", "one_machine": True,
                         "network": {"kind": "namespaces",
                                     "congestion": "cubic"},
                         "sides": [{"name": name, "about": f"about {name}",
                                    "role": ROLES.get(name, "related")}
                                   for name in sides]}}


def sample(case, side, repeat, ops, **more):
    pages = {"pages_per_request": 2.5, "requests": 10, "pages_filled": 25,
             "pages_histogram": {"le": [1, 2, 4, None],
                                 "counts": [4, 4, 1, 1]}}
    return {"type": "sample", "case": case, "side": side, "repeat": repeat,
            "network": "namespaces",
            "time": 1.7e9, "ops": ops * 2, "ops_per_s": ops,
            "mib_per_s": ops / 256, "p50_us": 100, "p99_us": 500,
            "p999_us": 2000, "cpu_us_per_op": 1e6 / ops,
            "voluntary_per_op": 0.5, "involuntary_per_op": 0.1,
            "peak_kib": 20000, "resident": [[0, 9000], [1000, 15000],
                                            [2000, 20000]],
            "foreign_share": 0.01, "idle_server_share": 0,
            "client_cpu_us_per_op": 5, "fio_overstayed": False,
            **(pages if side == "rpcbuf" else {}), **more}


FASTER = {"stock": 1, "tuned": 1.5, "jemalloc": 1.02, "rpcbuf": 3}


def lines(cases=CASES, sides=SIDES, repeats=ROUNDS):
    """A whole run: rpcbuf three times as fast as stock and twice as tuned,
    jemalloc hardly faster. Every round is faster than the one before."""
    return [head(cases, sides)] + [
        sample(case, side, repeat, (1000 + 100 * repeat) *
               FASTER.get(side, 0.5))
        for repeat in range(repeats) for case in cases for side in sides]


def write(folder, what, name="results.jsonl"):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(line) + "\n" for line in what)
    return path
