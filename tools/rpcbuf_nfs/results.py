# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The file of results: lines of JSON, appended as samples are made, so that an
# interrupted run loses at most its current sample. The first line describes the
# measurement; of two samples of the same kind the later one counts.

import json
import os
import statistics

from rpcbuf_nfs.case import PATTERNS, case_of
from rpcbuf_nfs.fault import (CUT_SHORT, FOREIGN, NOTHING, OUTPUT, SETTINGS,
                              VERSION, Fault, unreadable)
from rpcbuf_nfs.sides import ASIDE, BASE
from rpcbuf_nfs.verdict import verdict

FORMAT = "rpcbuf-bench-nfs"
FORMAT_VERSION = 2
SETTINGS_KEYS = ("cases", "repeat", "seconds", "size_mib", "sides",
                 "one_machine", "client", "file_system", "network")

# Metric, whether more is better.
METRICS = {"ops_per_s": True, "mib_per_s": True, "p50_us": False,
           "p99_us": False, "p999_us": False, "cpu_us_per_op": False,
           "switches_per_op": False, "peak_kib": False,
           "pages_per_request": False}


class Results:
    def __init__(self, head):
        self.head = head
        self.samples = {}       # by (repeat, case, side)
        self.cut = False        # the last line was not whole

    @property
    def settings(self):
        return self.head["settings"]

    @property
    def sides(self):
        return [side["name"] for side in self.settings["sides"]]

    @property
    def baseline(self):
        return self.sides[0]

    @property
    def bases(self):
        """The sides that others are related to, each with these others; the
        first is always there."""
        sides = self.settings["sides"]
        def behind(nr):
            return [side["name"] for side in sides[nr + 1:]
                    if side["role"] != ASIDE]
        return {side["name"]: behind(nr) for nr, side in enumerate(sides)
                if nr == 0 or side["role"] == BASE and behind(nr)}

    def add(self, sample):
        self.samples[sample["repeat"], sample["case"], sample["side"]] = sample

    def group(self, repeat, case):
        """The samples of one case in one repeat, by side."""
        return {side: self.samples[repeat, case, side] for side in self.sides
                if (repeat, case, side) in self.samples}

    def whole(self, repeat, case):
        return len(self.group(repeat, case)) == len(self.sides)


def is_sample(line):
    return (isinstance(line.get("repeat"), int) and
            case_of(str(line.get("case"))) is not None and
            isinstance(line.get("side"), str) and
            isinstance(line.get("ops_per_s"), (int, float)))


def _head(path, text):
    """The first line, of a file that is ours."""
    first, newline, _ = text.partition("\n")
    if not text:
        raise Fault(CUT_SHORT, f"{path} is empty")
    try:
        head = json.loads(first)
    except ValueError:
        head = None
    ours = f'{{"format": "{FORMAT}"'
    if not newline and (first.startswith(ours) or ours.startswith(first)):
        raise Fault(CUT_SHORT, f"{path} is cut short within its first line")
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise Fault(FOREIGN, f"{path} has no results of rpcbuf-bench nfs: its "
                    "first line does not say that it has")
    if head.get("version") != FORMAT_VERSION:
        raise Fault(VERSION, f"{path} is of version {head.get('version')}, "
                    f"this program reads version {FORMAT_VERSION}")
    if not all(isinstance(head.get(key), dict)
               for key in ("settings", "machine", "software")):
        raise Fault(FOREIGN, f"{path}: its first line lacks settings, machine "
                    "or software")
    lacking = [key for key in SETTINGS_KEYS if key not in head["settings"]]
    if lacking:
        raise Fault(FOREIGN, f"{path}: its settings lack {', '.join(lacking)}")
    if not all(isinstance(side, dict) and {"name", "about", "role"} <= set(side)
               for side in head["settings"]["sides"]):
        raise Fault(FOREIGN, f"{path}: a side has no name, text or role")
    network = head["settings"]["network"]
    if not isinstance(network, dict) or not {"kind", "congestion"} <= set(network):
        raise Fault(FOREIGN, f"{path}: its settings do not say over which "
                    "network it was measured")
    return head


def read_results(path):
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        raise Fault(FOREIGN, f"{path} has no results of rpcbuf-bench nfs: it "
                    "is not text") from None
    results = Results(_head(path, text))
    lines = text.split("\n")
    results.cut = lines.pop() != ""
    for nr, line in enumerate(lines[1:], 2):
        try:
            line = json.loads(line)
        except ValueError:
            line = None
        if not isinstance(line, dict) or (line.get("type") == "sample" and
                                          not is_sample(line)):
            raise Fault(FOREIGN, f"{path}: line {nr} is no line of results")
        if line.get("type") == "sample":
            results.add(line)
    return results


class Writer:
    """Appends to a file of results; every line is whole on the disk before the
    next sample begins."""

    def __init__(self, path, head=None):
        """head: begin a new file; the old one must not be overwritten."""
        self.path = path
        try:
            self.file = open(path, "x" if head else "r+", encoding="utf-8")
            if head:
                self.write(head)
            else:
                self._drop_cut_line()
        except FileExistsError:
            raise Fault(OUTPUT, f"{path} exists; --resume {path} goes on with "
                        "it") from None
        except OSError as error:
            raise Fault(OUTPUT, f"{path} cannot be written: {error.strerror}"
                        ) from None

    def _drop_cut_line(self):
        text = self.file.read()
        whole = text[:text.rfind("\n") + 1]
        self.file.seek(0)
        self.file.truncate(len(whole.encode()))
        self.file.seek(0, os.SEEK_END)

    def write(self, line):
        try:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        except OSError as error:
            raise Fault(OUTPUT, f"{self.path} cannot be written: "
                        f"{error.strerror}") from None

    def close(self):
        self.file.close()


def merge(files):
    """Results of several files as one; files: (path, Results)."""
    first = files[0][1]
    merged = Results(first.head)
    same = ("cpus", "kernel", "cpu_model")
    repeats = 0
    for path, results in files:
        if results.settings["network"] != first.settings["network"]:
            raise Fault(SETTINGS, f"{path} was measured over another network "
                        f"than {files[0][0]} (namespaces, --local, servers that "
                        "ran): make a page of each")
        if results.sides != first.sides or any(
                results.head["machine"].get(key) !=
                first.head["machine"].get(key) for key in same):
            raise Fault(SETTINGS, f"{path} was measured on another machine or "
                        f"other servers than {files[0][0]}: make a page of "
                        "each")
        for sample in results.samples.values():
            merged.add(dict(sample, repeat=sample["repeat"] + repeats))
        repeats += 1 + max((key[0] for key in results.samples), default=0)
    return merged


def spread(values):
    return {"median": statistics.median(values), "min": min(values),
            "max": max(values), "rounds": values}


def compare(base, values, more):
    """values / base: of the medians, the extremes of the rounds, and whether
    values are better. None where it cannot be said."""
    if not base or len(base) != len(values) or min(base) <= 0 or \
            min(values) <= 0:
        return None
    pairs = [b / a for a, b in zip(base, values)]
    # Medians of few rounds may be of different ones; the bar must hold it.
    middle = statistics.median(values) / statistics.median(base)
    return {"ratio": middle, "min": min(*pairs, middle),
            "max": max(*pairs, middle), "rounds": len(pairs),
            "verdict": verdict(base, values, more)}


def summarise(results):
    """Per case: each side's figures, and its ratios to each base. Only of
    rounds in which every side was measured."""
    rows = []
    for name in dict.fromkeys(key[1] for key in results.samples):
        repeats = sorted({key[0] for key in results.samples
                          if results.whole(key[0], name)})
        if repeats:
            rows.append(_row(results, name,
                             [results.group(r, name) for r in repeats]))
    if not rows:
        raise Fault(NOTHING, "no case was measured on every side")
    patterns = list(PATTERNS)
    return sorted(rows, key=lambda row: (
        row["case"].jobs, row["case"].bytes, patterns.index(row["case"].rw),
        row["case"].depth))


def value_of(sample, metric):
    """A figure of a sample, or None."""
    if metric != "switches_per_op":
        return sample.get(metric)
    parts = [sample.get(f"{kind}_per_op") for kind in ("voluntary",
                                                       "involuntary")]
    return None if None in parts else sum(parts)


def _row(results, name, groups):
    row = {"case": case_of(name), "repeats": len(groups), "sides": {},
           "ratios": {}, "foreign": max(s.get("foreign_share", 0) for g in groups
                          for s in g.values())}
    for side in results.sides:
        row["sides"][side] = figures = {}
        for metric in METRICS:
            values = [value_of(g[side], metric) for g in groups]
            if None not in values:
                figures[metric] = spread(values)
    for base, others in results.bases.items():
        row["ratios"][base] = {side: _ratios(row["sides"][base],
                                             row["sides"][side])
                               for side in others}
    return row


def _ratios(base, figures):
    """Of what both have."""
    found = {}
    for metric, more in METRICS.items():
        ratio = metric in base and metric in figures and compare(
            base[metric]["rounds"], figures[metric]["rounds"], more)
        if ratio:
            found[metric] = ratio
    return found
