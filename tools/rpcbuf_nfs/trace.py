# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Calls as `rpcbuf-trace --json` prints them, one object a line.

import json
import statistics

from rpcbuf_nfs.fault import CUT_SHORT, FOREIGN, Fault, unreadable

# What the report shows, and the names under which it may come.
FIELDS = {"pages": ("pages", "pages_filled", "filled"), "bytes": ("bytes",),
          "receive_ns": ("ns_receive", "receive_ns"),
          "reply_ns": ("ns_reply", "reply_ns"),
          "wait_ns": ("ns_wait", "wait_ns")}
NAMES = ("proc", "procedure", "operation")
LOST = ("lost", "losses")


class Trace:
    def __init__(self):
        self.calls = 0
        self.lost = 0
        self.by_name = {}       # name -> field -> values

    def add(self, line):
        name = next((str(line[key]) for key in NAMES if key in line), "call")
        fields = self.by_name.setdefault(name, {key: [] for key in FIELDS})
        for field, keys in FIELDS.items():
            value = next((line[key] for key in keys if key in line), None)
            if isinstance(value, (int, float)) and value >= 0:
                fields[field].append(value)
        self.calls += 1

    def values(self, field):
        return [v for fields in self.by_name.values() for v in fields[field]]

    def rows(self):
        """By procedure, the most frequent first."""
        def size(fields):
            return max(map(len, fields.values()))
        for name, fields in sorted(self.by_name.items(),
                                   key=lambda item: -size(item[1])):
            yield name, size(fields), fields


def percentile(values, share):
    """The smallest value that so large a share does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def mean(values):
    return statistics.fmean(values) if values else None


def log2_histogram(values):
    """(at most 2^i, how many) without what is empty at both ends."""
    counts = {}
    for value in values:
        bucket = max(0, int(value) - 1).bit_length()
        counts[bucket] = counts.get(bucket, 0) + 1
    if not counts:
        return []
    return [(1 << i, counts.get(i, 0))
            for i in range(min(counts), max(counts) + 1)]


def is_call(line):
    return isinstance(line, dict) and any(
        key in line for keys in FIELDS.values() for key in keys)


def read_trace(path):
    trace = Trace()
    try:
        with open(path, encoding="utf-8") as f:
            for nr, text in enumerate(f, 1):
                _add_line(trace, path, nr, text)
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        raise Fault(FOREIGN, f"{path} is no trace: it is not text") from None
    if not trace.calls:
        raise Fault(CUT_SHORT, f"{path} has no calls in it")
    return trace


def _add_line(trace, path, nr, text):
    try:
        line = json.loads(text)
    except ValueError:
        line = None
        if not text.endswith("\n") and nr > 1:
            return      # the trace was interrupted
    lost = [line[key] for key in LOST if key in line] \
        if isinstance(line, dict) else []
    if lost and isinstance(lost[0], int):
        trace.lost = max(trace.lost, lost[0])
    if is_call(line):
        trace.add(line)
    elif not lost:
        raise Fault(FOREIGN, f"{path} is no trace of rpcbuf-trace --json: line "
                    f"{nr} is no call")
