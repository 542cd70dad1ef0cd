# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a fio whose job hangs when its time is over loses no sample: the job is
# ended, fio reports, the sample is kept and marked. A fio whose job begins late is
# not cut short. One that gives nothing is a fault, and nothing of it stays.
# Method: a program that looks like fio: it forks a job, prints how many measure
# as fio does, and reports when the job has gone, of whatever cause. The job says
# through a pipe that its time is over, as fio's does in shared memory.

import os
import sys
import tempfile
import unittest

from rpcbuf_nfs.case import case_of
from rpcbuf_nfs.fault import FAILED, Fault
from rpcbuf_nfs.fio import Fio, all_began
from rpcbuf_nfs.measure import client_figures
from rpcbuf_nfs.net import RUNNING, Network

FAKE = """#!%s
import json, os, re, select, signal, sys, time
options = dict(re.findall(r"--([a-z_-]+)=(\\S+)", " ".join(sys.argv)))
late, hangs, noted, silent = %r
signal.signal(signal.SIGTERM, signal.SIG_IGN)   # an unmount does not heed it
over, done = os.pipe()
job = os.fork()
if job == 0:
    os.setsid()
    with open("job", "w") as f:
        f.write(str(os.getpid()))
    time.sleep(late + float(options["runtime"]))
    if noted:
        os.write(done, b"x")
    while hangs:
        signal.pause()
    os._exit(0)
print("Jobs: 0 (f=0)", end="\\r", flush=True)
time.sleep(late)
print("Jobs: 1 (f=1)", end="\\r", flush=True)
os.close(done)
os.waitpid(job, 0)
runtime = 1000 * int(options["runtime"]) if os.read(over, 1) else 0
part = {"total_ios": 1000, "io_bytes": 4096 * runtime, "runtime": runtime,
        "clat_ns": {}}
if not silent:
    with open(options["output"], "w") as f:
        json.dump({"jobs": [{"error": 0, "read": part}]}, f)
"""
CASE = case_of("4k-randread-qd16")


class Ends(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_fake(self, late=0, hangs=False, noted=True, silent=False):
        """What the measurement makes of it; its job must be gone."""
        program = os.path.join(self.folder, "fio")
        with open(program, "w", encoding="utf-8") as f:
            f.write(FAKE % (sys.executable, (late, hangs, noted, silent)))
        os.chmod(program, 0o755)
        fio = Fio(program, 4, self.folder, Network(RUNNING))
        try:
            return client_figures(*self.ordered(fio.run("nfs://x/y", CASE, 1)))
        finally:
            with open(os.path.join(self.folder, "job"), encoding="utf-8") as f:
                self.assertFalse(os.path.exists(f"/proc/{f.read()}"))

    def ordered(self, found):
        record, overstayed = found
        return record, CASE, overstayed

    def test_ends_by_itself(self):
        figures = self.run_fake()
        self.assertEqual(figures["ops_per_s"], 1000)
        self.assertFalse(figures["fio_overstayed"])

    def test_hangs_in_unmount(self):
        figures = self.run_fake(hangs=True)
        self.assertEqual(figures["ops_per_s"], 1000)
        self.assertTrue(figures["fio_overstayed"])

    def test_hangs_before_it_noted_its_time(self):
        """With a call that is never answered."""
        figures = self.run_fake(hangs=True, noted=False)
        self.assertEqual(figures["ops_per_s"], 1000)
        self.assertAlmostEqual(figures["mib_per_s"], 1000 / 256)
        self.assertTrue(figures["fio_overstayed"])

    def test_begins_late(self):
        """Later than one that hangs would be waited for."""
        figures = self.run_fake(late=5)
        self.assertEqual(figures["ops"], 1000)
        self.assertFalse(figures["fio_overstayed"])

    def test_no_result(self):
        with self.assertRaises(Fault) as caught:
            self.run_fake(silent=True)
        self.assertEqual(caught.exception.status, FAILED)
        self.assertIn("fio gave no result", str(caught.exception))

    def test_states(self):
        self.assertFalse(all_began("", 1))
        self.assertFalse(all_began("Jobs: 0 (f=0)\rJobs: 15 (f=15)\r", 16))
        self.assertTrue(all_began("Jobs: 16 (f=9): [r(16)][50.0%]\r", 16))


if __name__ == "__main__":
    unittest.main()
