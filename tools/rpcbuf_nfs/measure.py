# SPDX-License-Identifier: LGPL-3.0-or-later
#
# One sample: one case on one of several servers, while the others are idle and
# watched.

import os
import time

from rpcbuf_nfs.fault import Fault
from rpcbuf_nfs.fio import children_cpu_us
from rpcbuf_nfs.process import Watch, machine_cpu_us
from rpcbuf_nfs.server import pages_between

PERCENTILES = (("p50_us", "50.000000"), ("p99_us", "99.000000"),
               ("p999_us", "99.900000"))


def client_figures(record, case, overstayed):
    """fio's figures. Its count of bytes lacks those of jobs that were ended."""
    rate = record["total_ios"] * 1000 / record["runtime"]
    found = {"ops": record["total_ios"], "ops_per_s": rate,
             "mib_per_s": rate * case.bytes / 2**20,
             "fio_overstayed": overstayed}
    percentile = record["clat_ns"].get("percentile", {})
    for name, key in PERCENTILES:
        if key in percentile:
            found[name] = percentile[key] / 1000
    return found


class Meter:
    """Resources that the server's process used meanwhile."""

    def __init__(self, server, statistics):
        self.process, self.statistics = server.process, statistics
        self.peak = self.process.forget_peak()
        self.counters = statistics and statistics.read()
        self.cpu = self.process.cpu_us()
        self.watch = Watch(self.process)

    def abandon(self):
        """The sample failed, perhaps because the server has ended."""
        try:
            self.watch.stop()
        except Fault:
            pass

    def figures(self, ops):
        voluntary, involuntary = self.watch.stop()
        used = self.process.cpu_us() - self.cpu
        found = {"server_cpu_us": used, "cpu_us_per_op": used / ops,
                 "voluntary_per_op": voluntary / ops,
                 "involuntary_per_op": involuntary / ops,
                 "resident": self.watch.resident}
        if self.peak:
            found["peak_kib"] = self.process.peak_kib()
        if self.counters:
            found.update(pages_between(self.counters, self.statistics.read()))
        return found


def idle_cpu_us(servers):
    return sum(s.process.cpu_us() for s in servers if s.process)


def measure(fio, servers, side, case, seconds, statistics=None):
    """One sample of a case on servers[side]."""
    server = servers[side]
    others = [s for s in servers.values() if s is not server]
    meter = Meter(server, statistics) if server.process else None
    try:
        idle, client = idle_cpu_us(others), children_cpu_us()
        (busy, steal), start = machine_cpu_us(), time.monotonic()
        record, overstayed = fio.run(server.target, case, seconds)
        wall = (time.monotonic() - start) * 1e6 * os.cpu_count()
        now_busy, now_steal = machine_cpu_us()
        client, idle = children_cpu_us() - client, idle_cpu_us(others) - idle
    except BaseException:
        if meter:
            meter.abandon()
        raise
    sample = {"case": case.name, "side": side, "network": fio.network.kind,
              **client_figures(record, case, overstayed)}
    sample["client_cpu_us_per_op"] = client / sample["ops"]
    if meter:
        sample.update(meter.figures(sample["ops"]))
        foreign = (now_busy - busy - sample["server_cpu_us"] - client - idle +
                   now_steal - steal)
        sample["idle_server_share"] = idle / wall
        sample["foreign_share"] = max(0, foreign) / wall
    return sample
