# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: results are read back as they were written, an interrupted file goes on
# without losing or doubling anything, files that are not right are refused with a
# status of their own, and medians, ratios and spreads are right.
# Method: made-up results, of which the answers are known.

import json
import os
import tempfile
import unittest

import samples
from rpcbuf_nfs import fault
from rpcbuf_nfs.results import (Results, Writer, compare, merge, read_results,
                                summarise)


def samples_of(sides):
    return Results(samples.head(sides=sides))


class Reading(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, what, name="results.jsonl"):
        return samples.write(self.folder, what, name)

    def refused(self, status, path):
        with self.assertRaises(fault.Fault) as caught:
            read_results(path)
        self.assertEqual(caught.exception.status, status)
        self.assertIn(path, str(caught.exception))

    def test_back_as_written(self):
        results = read_results(self.write(samples.lines()))
        self.assertEqual(len(results.samples), 72)
        self.assertEqual(results.sides, list(samples.SIDES))
        self.assertTrue(results.whole(1, "1m-write-qd8"))
        self.assertFalse(results.whole(9, "1m-write-qd8"))
        self.assertFalse(results.cut)

    def test_every_cut(self):
        """Wherever the file ends, it goes on with what is whole, or says that
        it is cut short."""
        path = self.write(samples.lines(repeats=1))
        with open(path, "rb") as f:
            text = f.read()
        first = text.index(b"\n")
        for at in list(range(0, len(text), 97)) + [0, first, len(text) - 1]:
            with open(path, "wb") as f:
                f.write(text[:at])
            if at <= first:
                self.refused(fault.CUT_SHORT, path)
                continue
            results = read_results(path)
            self.assertEqual(len(results.samples), text[:at].count(b"\n") - 1)
            writer = Writer(path)
            writer.write(samples.sample("4k-read-qd1", "stock", 7, 5))
            writer.close()
            again = read_results(path)
            self.assertFalse(again.cut)
            self.assertEqual(len(again.samples), len(results.samples) + 1)

    def test_later_sample_counts(self):
        again = samples.sample("1m-write-qd8", "stock", 0, 77)
        results = read_results(self.write(samples.lines() + [again]))
        self.assertEqual(len(results.samples), 72)
        self.assertEqual(results.samples[0, "1m-write-qd8", "stock"], again)

    def test_not_overwritten(self):
        path = self.write(samples.lines())
        with self.assertRaises(fault.Fault) as caught:
            Writer(path, samples.head())
        self.assertEqual(caught.exception.status, fault.OUTPUT)
        self.assertEqual(len(read_results(path).samples), 72)

    def test_refused(self):
        self.refused(fault.UNREADABLE, os.path.join(self.folder, "none"))
        self.refused(fault.UNREADABLE, self.folder)
        good = samples.head()
        for status, what in [
                (fault.FOREIGN, [{}]), (fault.FOREIGN, ["x"]),
                (fault.FOREIGN, [[]]),
                (fault.VERSION, [dict(good, version=1)]),
                (fault.FOREIGN, [dict(good, settings=3)]),
                (fault.FOREIGN, [dict(good, settings={"cases": []})]),
                (fault.FOREIGN, [dict(good, settings=dict(
                    good["settings"], network="local"))]),
                (fault.FOREIGN, [dict(good, settings=dict(
                    good["settings"], sides=[{"name": "x"}]))]),
                (fault.FOREIGN, [good, 5]),
                (fault.FOREIGN, [good, {"type": "sample"}]),
                (fault.FOREIGN, [good, samples.sample("x", "stock", 0, 1)])]:
            with self.subTest(what=what):
                self.refused(status, self.write(what))
        path = os.path.join(self.folder, "binary")
        with open(path, "wb") as f:
            f.write(bytes(range(256)))
        self.refused(fault.FOREIGN, path)

    def test_merge(self):
        one = read_results(self.write(samples.lines()))
        other = read_results(self.write(samples.lines(["4k-read-qd1"])))
        merged = merge([("a", one), ("b", other), ("c", one)])
        self.assertEqual(len(merged.samples), 72 + 36 + 72)
        rows = {row["case"].name: row for row in summarise(merged)}
        self.assertEqual(rows["1m-write-qd8"]["repeats"], 18)
        elsewhere = read_results(self.write(
            [samples.head(cpus=64)] + samples.lines()[1:]))
        local = samples.lines()
        local[0]["settings"]["network"] = {"kind": "local", "congestion": "bbr"}
        with self.assertRaises(fault.Fault) as caught:
            merge([("a", one), ("b", read_results(self.write(local)))])
        self.assertIn("another network", str(caught.exception))
        with self.assertRaises(fault.Fault) as caught:
            merge([("a", one), ("b", elsewhere)])
        self.assertEqual(caught.exception.status, fault.SETTINGS)


class Figures(unittest.TestCase):
    def rows(self, what):
        with tempfile.TemporaryDirectory() as folder:
            return summarise(read_results(samples.write(folder, what)))

    def test_ratios(self):
        row = self.rows(samples.lines())[0]
        self.assertEqual(row["case"].name, "4k-randread-qd16")
        self.assertEqual(row["sides"]["stock"]["ops_per_s"],
                         {"median": 1400, "min": 1000, "max": 1800,
                          "rounds": list(range(1000, 1900, 100))})
        ratios = row["ratios"]["stock"]["rpcbuf"]
        self.assertAlmostEqual(ratios["ops_per_s"]["ratio"], 3)
        self.assertEqual(ratios["ops_per_s"]["verdict"], "better")
        self.assertAlmostEqual(ratios["cpu_us_per_op"]["ratio"], 1 / 3)
        self.assertEqual(ratios["cpu_us_per_op"]["verdict"], "better")
        self.assertEqual(ratios["p99_us"]["verdict"], "same")
        self.assertNotIn("pages_per_request", ratios)
        jemalloc = row["ratios"]["stock"]["jemalloc"]["ops_per_s"]
        self.assertEqual(jemalloc["verdict"], "same")
        tuned = row["ratios"]["tuned"]
        self.assertEqual(list(tuned), ["jemalloc", "rpcbuf"])
        self.assertAlmostEqual(tuned["rpcbuf"]["ops_per_s"]["ratio"], 2)
        self.assertEqual(tuned["jemalloc"]["ops_per_s"]["verdict"], "worse")

    def test_bases(self):
        """The first, tuned and other builds, each for those behind it."""
        def bases(*sides):
            return samples_of(sides).bases
        self.assertEqual(bases("stock", "tuned", "before", "rpcbuf", "ceiling"),
                         {"stock": ["tuned", "before", "rpcbuf"],
                          "tuned": ["before", "rpcbuf"],
                          "before": ["rpcbuf"]})
        self.assertEqual(bases("rpcbuf", "tuned"), {"rpcbuf": ["tuned"]})
        self.assertEqual(bases("rpcbuf"), {"rpcbuf": []})

    def test_only_whole_repeats_count(self):
        what = samples.lines()
        del what[-1]                    # rpcbuf, second repeat, 1m-write
        row = self.rows(what)[1]
        self.assertEqual(row["repeats"], 8)
        self.assertEqual(row["sides"]["stock"]["ops_per_s"]["max"], 1700)
        with self.assertRaises(fault.Fault) as caught:
            self.rows(what[:2])
        self.assertEqual(caught.exception.status, fault.NOTHING)

    def test_figures_that_one_sample_lacks(self):
        what = samples.lines()
        del what[1]["peak_kib"]
        figures = self.rows(what)[0]["sides"]["stock"]
        self.assertNotIn("peak_kib", figures)
        self.assertIn("ops_per_s", figures)

    def test_ratio_lies_within_its_spread(self):
        found = compare([10, 20, 30], [60, 20, 15], True)
        self.assertLessEqual(found["min"], found["ratio"])
        self.assertGreaterEqual(found["max"], found["ratio"])
        self.assertIsNone(compare([0], [1], True))
        self.assertIsNone(compare([1], [], True))

    def test_names_round_trip(self):
        json.dumps(samples.lines())
        row = self.rows(samples.lines(["64k-mixed-qd4-x16"]))[0]
        self.assertEqual(row["case"].title,
                         "64 KiB mixed 70/30, depth 4, 16 connections")


if __name__ == "__main__":
    unittest.main()
