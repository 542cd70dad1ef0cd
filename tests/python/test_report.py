# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: the page is well-formed, complete in itself, says what the results say,
# above all where there is no gain, and survives any subset of figures, any text in
# them, and one side alone; a trace is read whatever it lacks; bad input is refused
# with a status of its own.
# Method: made-up results and traces through the program itself, and a parser that
# knows which elements HTML closes.

import contextlib
import html.parser
import io
import json
import os
import re
import tempfile
import unittest

import samples
from rpcbuf_nfs import fault, summary
from rpcbuf_nfs.__main__ import main
from rpcbuf_nfs.results import read_results, summarise
from rpcbuf_nfs.trace import log2_histogram, percentile

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Checker(html.parser.HTMLParser):
    """Every element is closed in its turn, no id is there twice, every
    reference leads to one, nothing comes from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.references = [], [], set()
        self.external, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            value = value or ""
            if name == "id":
                self.ids.append(value)
            if name in ("href", "xlink:href"):
                self.references.add(value.removeprefix("#"))
            self.references |= set(re.findall(r"url\(#([^)]*)\)", value))
            if "//" in value or name == "src":
                self.external.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_it(self, *arguments, status=0):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                found = main("report", "1.2.3", "rpcbuf-report", *arguments)
            except SystemExit as end:
                found = end.code or 0
        self.assertEqual(found, status, err.getvalue())
        return out.getvalue() + err.getvalue()

    def page(self, what, *options):
        self.run_it(samples.write(self.folder, what), "-o", self.path("page"),
                    *options)
        with open(self.path("page"), encoding="utf-8") as f:
            text = f.read()
        page = Checker()
        page.feed(text)
        page.close()
        self.assertEqual(page.open, [])
        self.assertEqual(len(page.ids), len(set(page.ids)))
        self.assertLessEqual(page.references, set(page.ids))
        self.assertEqual(page.external, [])
        self.assertNotRegex(text, r"https?:|@import|<script|<link")
        self.assertNotRegex(text, r"#0[1-6]0[1-6]0\d")  # a colour left over
        page.words = re.sub(r"\s+", " ", " ".join(page.text))
        return page

    def test_page(self):
        page = self.page(samples.lines())
        self.assertEqual(page.tags.count("svg"), 12)
        self.assertIn("NFS-Ganesha with and without rpcbuf", page.words)
        self.assertIn("3.00× of stock", page.words)
        self.assertIn("2.00× of tuned", page.words)
        self.assertIn("1,400", page.words)
        self.assertIn("1,000 1,100 1,200 1,300 1,400 1,500 1,600 1,700 1,800",
                      page.words)
        self.assertIn("two network namespaces joined by a veth pair; TCP "
                      "congestion control cubic", page.words)
        self.assertNotIn("(local)", page.words)
        self.assertIn("more in all 2 cases", page.words)
        self.assertIn("A <fast> one", page.words)

    def test_no_gain_is_said(self):
        what = samples.lines()
        for line in what[1:]:
            if line["side"] == "rpcbuf" and line["case"] == "1m-write-qd8":
                line["ops_per_s"] /= 6
        page = self.page(what)
        self.assertIn("more in 1 of 2 cases, fewer in 1", page.words)
        self.assertRegex(page.words, "Where rpcbuf shows no gain over "
                         "stock .* 1 MiB write, depth 8 0.50× .* slower")
        said = self.run_it(self.path("results.jsonl"), "--markdown")
        self.assertIn("- Operations per second, 1 MiB write, depth 8: 0.50×",
                      said)

    def test_sides(self):
        for sides in ["a"], ["stock", "rpcbuf"], list("abcdef"):
            page = self.page(samples.lines(sides=sides))
            self.assertIn(f" {sides[-1]} ", page.words)
        for name in '<b>"&', "]]>":
            page = self.page(samples.lines(sides=["stock", name]))
            self.assertIn(f" {name} ", page.words)

    def test_figures_that_are_missing(self):
        """What a server on another machine leaves."""
        what = samples.lines()
        for line in what[1:]:
            for key in [k for k in line if k.startswith(
                    ("cpu", "vol", "inv", "peak", "res", "for", "pages"))]:
                del line[key]
        page = self.page(what)
        self.assertNotIn("CPU per operation", page.words.split("All figures")[0])
        del what[1]["p50_us"], what[1]["p99_us"], what[1]["p999_us"]
        self.page(what)

    def test_interrupted(self):
        page = self.page(samples.lines()[:-1])
        self.assertIn("1 of 18 measurements of cases", page.words)

    def test_title(self):
        self.assertIn("My & yours", self.page(
            samples.lines(), "--title", "My & yours").words)

    def test_markdown(self):
        said = self.run_it(samples.write(self.folder, samples.lines()), "-m")
        tables = re.findall(r"(?:^\|.*\n)+", said, re.M)
        self.assertEqual(len(tables), 3)
        for table in tables:
            self.assertEqual(len({line.count("|")
                                  for line in table.splitlines()}), 1)
        self.assertIn("| 4 KiB random read, depth 16 | 1,400 | 2,100 | 1,428 | "
                      "4,200 |", said)
        self.assertIn("| 4 KiB random read, depth 16 | tuned | 1,500 | 1,650 |",
                      said)

    def test_local_is_marked(self):
        what = samples.lines()
        what[0]["settings"]["network"] = {"kind": "local", "congestion": "bbr"}
        page = self.page(what)
        for said in page.words, self.run_it(self.path("results.jsonl"), "-m"):
            self.assertIn("NFS-Ganesha with and without rpcbuf (local)", said)
            self.assertIn("LOCAL: server and client on the loopback device",
                          said)
            self.assertIn("congestion control bbr", said)

    def test_too_few_rounds(self):
        page = self.page(samples.lines(repeats=8))
        self.assertIn("no verdict: 8 rounds, 9 are needed", page.words)
        self.assertNotIn("more in", page.words)
        self.assertNotIn(" better ", page.words.replace("is better", ""))

    # ----------------------------------------------------------------- trace

    def trace(self, lines, end="\n"):
        with open(self.path("trace"), "w", encoding="utf-8") as f:
            f.write("\n".join(line if isinstance(line, str) else
                              json.dumps(line) for line in lines) + end)
        return self.path("trace")

    def test_trace(self):
        calls = [{"program": "nfs3", "procedure": "WRITE", "pages": 257,
                  "bytes": 1 << 20, "receive_ns": 2_000_000,
                  "reply_ns": 5_000, "wait_ns": i % 2} for i in range(1000)]
        calls += [{"program": "nfs4", "procedure": "COMPOUND", "pages": 1,
                   "bytes": 128, "operations": ["PUTFH", "READ"]}] * 3000
        page = self.page(samples.lines(), "--trace", self.trace(
            calls + [{"lost": 12}, {"lost": 8}, '{"proc": "nf'], end=""))
        self.assertIn("4,000 calls; 20 more were lost", page.words)
        self.assertRegex(page.words, "nfs4 PUTFH READ 3,000 128 1.00 0 ")
        self.assertRegex(page.words, "nfs3 WRITE 1,000 1,048,576 257.00 500 "
                         "2.0 ms 2.0 ms 5.0 µs 5.0 µs")
        self.assertEqual(page.tags.count("svg"), 13)

    def test_bad_trace(self):
        results = samples.write(self.folder, samples.lines())
        for status, lines in [(fault.FOREIGN, ["x", "y"]),
                              (fault.FOREIGN, [{"x": 1}]), (fault.FOREIGN, [3]),
                              (fault.CUT_SHORT, [])]:
            said = self.run_it(results, "-o", self.path("page"), "--trace",
                               self.trace(lines, "\n" if lines else ""),
                               status=status)
            self.assertIn("rpcbuf-report: ", said)
        self.run_it(results, "-m", "-t", self.path("no"),
                    status=fault.UNREADABLE)

    def test_statistics(self):
        self.assertEqual(log2_histogram([1, 2, 3, 4, 5]),
                         [(1, 1), (2, 1), (4, 2), (8, 1)])
        self.assertEqual(log2_histogram([0, 5]),
                         [(1, 1), (2, 0), (4, 0), (8, 1)])
        self.assertEqual(percentile([3, 1, 2], 0.5), 2)
        self.assertEqual(percentile([1], 0.99), 1)

    # ------------------------------------------------------------- bad input

    def test_bad_input(self):
        good = samples.write(self.folder, samples.lines())
        none = samples.write(self.folder, samples.lines()[:2], "none")
        other = samples.write(self.folder, samples.lines(sides=["x"]), "other")
        for status, text, arguments in [
                (fault.USAGE, "-o FILE", [good]),
                (fault.USAGE, "RESULTS", ["-m"]),
                (fault.UNREADABLE, "No such file", [self.path("no"), "-m"]),
                (fault.NOTHING, "on every server", [none, "-m"]),
                (fault.SETTINGS, "a page of each", [good, other, "-m"]),
                (fault.OUTPUT, "cannot be written",
                 [good, "-o", self.path("no/page")])]:
            said = self.run_it(*arguments, status=status)
            self.assertIn(text, said)
        self.assertIn("1.2.3", self.run_it("--version"))


class Words(unittest.TestCase):
    def opening(self, factor):
        what = samples.lines()
        for line in what[1:]:
            if line["side"] == "rpcbuf":
                line["ops_per_s"] *= factor
        with tempfile.TemporaryDirectory() as folder:
            results = read_results(samples.write(folder, what))
        return summary.opening(results, summarise(results))

    def test_opening(self):
        self.assertIn("more in all 2 cases", self.opening(1))
        self.assertIn("more in no case, without a clear difference in 2",
                      self.opening(1 / 3))
        self.assertIn("more in no case, fewer in 2", self.opening(1 / 9))


if __name__ == "__main__":
    unittest.main()
