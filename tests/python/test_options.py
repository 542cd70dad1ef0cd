# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the options of rpcbuf-bench nfs choose the cases that they say, and what
# is not understood is refused; figures of fio and of the server are read right.
# Method: arguments and texts, of which the answers are known.

import contextlib
import io
import json
import os
import tempfile
import unittest

from rpcbuf_nfs import fio, options
from rpcbuf_nfs.case import QUICK, case_of, matrix, size_bytes
from rpcbuf_nfs.measure import client_figures
from rpcbuf_nfs.progress import Clock, duration
from rpcbuf_nfs.server import pages_between


def names(*arguments):
    return [case.name for case in options.parse(arguments).cases]


class Options(unittest.TestCase):
    def refused(self, *arguments):
        said = io.StringIO()
        with self.assertRaises(SystemExit) as caught, \
                contextlib.redirect_stderr(said):
            options.parse(arguments)
        self.assertEqual(caught.exception.code, 64)
        return said.getvalue()

    def test_choice(self):
        self.assertEqual(tuple(names()), QUICK)
        self.assertEqual(len(names("--full")), 5 * 3 * 2 * 2)
        self.assertEqual(names("--rw", "mixed", "--bs", "512", "--depth", "3",
                               "--connections", "1,64"),
                         ["512-mixed-qd3", "512-mixed-qd3-x64"])
        self.assertEqual(len(names("--bs", "4k")), 5 * 2 * 2)
        self.assertEqual(names("--cases", "64k-w*"), ["64k-write-qd8"])
        self.assertEqual(len(names("--full", "--cases", "1m-*-qd1")), 5)
        self.assertEqual(names("--cases", "8k-read-qd7-x2,4k-mixed-*"),
                         ["8k-read-qd7-x2", "4k-mixed-qd16"])
        self.assertEqual(options.parse(["--full"]).seconds, 5)
        self.assertEqual(options.parse(["--full", "--seconds", "9"]).seconds, 9)

    def test_refused(self):
        self.assertIn("--bs 3x", self.refused("--bs", "4k,3x"))
        self.assertIn("--rw reads", self.refused("--rw", "reads"))
        self.assertIn("--depth 1025", self.refused("--depth", "1025"))
        self.assertIn("--connections 0", self.refused("--connections", "0"))
        self.assertIn("0k-read-qd1", self.refused("--cases", "0k-read-qd1"))
        self.assertIn("from 1 to 3600", self.refused("--seconds", "1.5"))
        self.refused("--resume", "a", "--output", "b")
        self.assertIn("--congestion", self.refused("--local", "--congestion",
                                                   "reno"))
        self.assertIn("--local", self.refused("--local", "--mount", "/"))
        self.assertIn("--also", self.refused("--also", "a=b", "--server",
                                             "a=nfs://x/y"))
        self.refused("--rep", "3")

    def test_names(self):
        for case in matrix():
            self.assertEqual(case_of(case.name), case)
        for name in "4k", "4k-read-qd", "2m-read-qd1", "4k-rea-qd1", "", "-x2":
            self.assertIsNone(case_of(name))
        self.assertEqual([size_bytes(t) for t in ("512", "4k", "1m", "511")],
                         [512, 4096, 1 << 20, None])


class Figures(unittest.TestCase):
    def record(self, case, job):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "fio.json")
            with open(path, "w", encoding="utf-8") as f:
                f.write("fio: a warning\n" + json.dumps({"jobs": [job]}))
            return fio.record_of(path, case_of(case))

    def test_fio(self):
        part = {"total_ios": 100, "runtime": 2000, "io_bytes": 1 << 20,
                "clat_ns": {"percentile": {"50.000000": 2000,
                                           "99.900000": 9000}}}
        none = dict(part, total_ios=0)
        job = {"error": 0, "read": part, "write": none, "mixed": part}
        self.assertEqual(self.record("4k-randread-qd1", job), part)
        self.assertEqual(self.record("4k-mixed-qd1", job), part)
        self.assertIsNone(self.record("4k-write-qd1", job))
        self.assertIsNone(self.record("4k-read-qd1", dict(job, error=5)))
        self.assertIsNone(self.record("4k-read-qd1", {}))
        self.assertEqual(client_figures(part, case_of("64k-read-qd1"),
                                        True), {
            "ops": 100, "ops_per_s": 50, "mib_per_s": 3.125, "p50_us": 2,
            "p999_us": 9, "fio_overstayed": True})

    def test_pages(self):
        def at(requests, pages, counts):
            return {"figures": {"requests": requests, "pages_filled": pages},
                    "histograms": {"pages_per_request": {
                        "le": [1, 2, None], "counts": counts}}}
        self.assertEqual(
            pages_between(at(10, 20, [5, 5, 0]), at(14, 30, [6, 5, 3])),
            {"requests": 4, "pages_filled": 10, "pages_per_request": 2.5,
             "pages_histogram": {"le": [1, 2, None], "counts": [1, 0, 3]}})
        self.assertEqual(pages_between(None, at(1, 1, [])), {})
        self.assertEqual(pages_between(at(1, 1, []), at(1, 1, [])), {})

    def test_durations(self):
        self.assertEqual([duration(s) for s in (0, 59.6, 61, 3660)],
                         ["0 s", "1 min 00 s", "1 min 01 s", "1 h 01 min"])
        clock = Clock(100)
        clock.step(100)
        self.assertEqual(clock.left(), 0)
        clock.step(100)
        self.assertEqual(clock.left(), 0)


if __name__ == "__main__":
    unittest.main()
