# SPDX-License-Identifier: LGPL-3.0-or-later
#
# What is measured: a pattern of access, a block size, a depth, a number of
# connections. The name of a case says all four: 4k-randread-qd16, and with more
# than one connection 4k-randread-qd4-x64.

import re
import typing

PATTERNS = {"read": "read", "randread": "random read", "write": "write",
            "randwrite": "random write", "mixed": "mixed 70/30"}
SHORT = {"read": "read", "randread": "rand read", "write": "write",
         "randwrite": "rand write", "mixed": "mixed"}
SIZES = ("4k", "64k", "1m")
DEPTHS = (1, 16)
CONNECTIONS = (1, 16)
SIZE_MAX = 1 << 20      # what NFSv3 clients and stock Ganesha agree on

QUICK = ("4k-randread-qd1", "4k-randread-qd16", "4k-randwrite-qd16",
         "4k-mixed-qd16", "64k-randread-qd8", "64k-write-qd8", "1m-read-qd8",
         "1m-write-qd8", "4k-randread-qd4-x16")

NAME = re.compile(r"(\d+[km]?)-([a-z]+)-qd(\d+)(?:-x(\d+))?")
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}


class Case(typing.NamedTuple):
    rw: str
    size: str
    depth: int
    jobs: int = 1

    @property
    def name(self):
        return (f"{self.size}-{self.rw}-qd{self.depth}" +
                (f"-x{self.jobs}" if self.jobs > 1 else ""))

    @property
    def bytes(self):
        return size_bytes(self.size)

    @property
    def title(self):
        """For people, in one line."""
        return (f"{size_title(self.size)} {PATTERNS[self.rw]}, depth "
                f"{self.depth}" + (f", {self.jobs} connections"
                                   if self.jobs > 1 else ""))

    @property
    def label(self):
        """For a plot, where room is scarce."""
        return (f"{size_title(self.size)} {SHORT[self.rw]} qd{self.depth}" +
                (f" ×{self.jobs}" if self.jobs > 1 else ""))


def size_bytes(text):
    """The number of bytes of a block size; None when it is none."""
    found = re.fullmatch(r"(\d{1,7})([km]?)", text)
    value = found and int(found[1]) * UNITS[found[2]]
    return value if value and 512 <= value <= SIZE_MAX else None


def size_title(text):
    value = size_bytes(text)
    for unit, scale in ("MiB", 1 << 20), ("KiB", 1 << 10):
        if value % scale == 0:
            return f"{value // scale} {unit}"
    return f"{value} bytes"


def case_of(name):
    """The case of this name; None when it is none."""
    found = NAME.fullmatch(name)
    if not found or found[2] not in PATTERNS or not size_bytes(found[1]):
        return None
    return Case(found[2], found[1], int(found[3]), int(found[4] or 1))


def matrix(patterns=PATTERNS, sizes=SIZES, depths=DEPTHS,
           connections=CONNECTIONS):
    return [Case(rw, size, depth, jobs) for jobs in connections
            for size in sizes for rw in patterns for depth in depths]
