# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Calls as `rpcbuf-trace --json` prints them, one object a line.

import json
import statistics

from rpcbuf_nfs.fault import CUT_SHORT, FOREIGN, Fault, unreadable

FIELDS = ("pages", "bytes", "receive_ns", "reply_ns", "wait_ns")
OPERATIONS = 4          # of a compound, that its name shows


def name_of(line):
    """Program and procedure, or the operations of a compound."""
    operations = line.get("operations")
    if isinstance(operations, list) and operations:
        shown = " ".join(map(str, operations[:OPERATIONS]))
        more = " …" if len(operations) > OPERATIONS else ""
        return f"{line.get('program', '')} {shown}{more}".strip()
    return (f"{line.get('program', '')} {line.get('procedure', '')}".strip() or
            "call")


class Trace:
    def __init__(self):
        self.calls = 0
        self.lost = 0
        self.by_name = {}       # name -> field -> values

    def add(self, line):
        fields = self.by_name.setdefault(name_of(line),
                                         {key: [] for key in FIELDS})
        for field in FIELDS:
            value = line.get(field)
            if isinstance(value, (int, float)) and value >= 0:
                fields[field].append(value)
        self.calls += 1

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
    return isinstance(line, dict) and any(field in line for field in FIELDS)


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
    if is_call(line):
        trace.add(line)
    elif isinstance(line, dict) and isinstance(line.get("lost"), int):
        trace.lost += line["lost"]      # since the call before
    else:
        raise Fault(FOREIGN, f"{path} is no trace of rpcbuf-trace --json: line "
                    f"{nr} is no call")
