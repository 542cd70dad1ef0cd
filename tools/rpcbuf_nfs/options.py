# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The arguments of rpcbuf-bench nfs.

import fnmatch
import time

from rpcbuf_nfs.case import (CONNECTIONS, DEPTHS, PATTERNS, QUICK, SIZES,
                             case_of, matrix, size_bytes)
from rpcbuf_nfs.fault import USAGE, Parser, number
from rpcbuf_nfs.net import CONGESTION
from rpcbuf_nfs.sides import SERVED
from rpcbuf_nfs.verdict import ROUNDS

__all__ = ["USAGE", "parse"]

QUICK_SECONDS, FULL_SECONDS = 2, 5
DESCRIPTION = """\
Measures NFS servers against each other with fio: stock Ganesha, the same as its
users would tune it, with jemalloc, and with rpcbuf, in turns, in several rounds;
server and client are in two network namespaces. Prints medians, ratios, their
spread and every round, and keeps every sample in a file for rpcbuf-report.
Without options: nine cases in about seven minutes."""


def add_selection(parser):
    add = parser.add_argument_group("what is measured").add_argument
    add("--full", action="store_true",
        help="every pattern, size, depth and number of connections, "
        f"{FULL_SECONDS} s each; takes over an hour")
    add("--rw", metavar="NAME,...", help=f"patterns: {','.join(PATTERNS)}")
    add("--bs", metavar="SIZE,...", help=f"block sizes ({','.join(SIZES)})")
    add("--depth", metavar="N,...", help="calls in flight on each connection "
        f"({','.join(map(str, DEPTHS))})")
    add("--connections", metavar="N,...",
        help=f"connections ({','.join(map(str, CONNECTIONS))})")
    add("--cases", metavar="PATTERN,...",
        help="cases by name, such as 4k-randread-qd16 or 64k-*")
    add("--repeat", metavar="COUNT", type=number(1, 99), default=3,
        help="rounds, in each of which every case is measured once on each "
        f"server (3); a verdict needs {ROUNDS}")
    add("--seconds", metavar="SECONDS", type=number(1, 3600),
        help=f"length of a sample ({QUICK_SECONDS})")
    add("--size", metavar="MIB", type=number(4, 1 << 20), default=256,
        help="size of the file (256)")
    add("--list", action="store_true", help="print the cases, measure nothing")


def add_sides(parser):
    add = parser.add_argument_group("which servers").add_argument
    add("--only", metavar="NAME,...", default=",".join(SERVED),
        help=f"of {','.join(SERVED)}, these; the first is the baseline")
    add("--also", metavar="NAME=BUILD", action="append", default=[],
        help="the plug-in of another build folder, or a file, as one more "
        "side; may be repeated")
    add("--local", action="store_true", help="server and client on the "
        "loopback device instead of two network namespaces")
    add("--congestion", metavar="NAME", help="TCP congestion control in both "
        f"namespaces ({CONGESTION})")
    add("--preload", metavar="LIB", default="libjemalloc.so.2",
        help="the allocator of the side jemalloc (libjemalloc.so.2)")
    add("--serve", metavar="FILE", help="tools/serve of rpcbuf's source")
    add("--server", metavar="NAME=URL[,PID]", action="append", default=[],
        help="a server that runs, and its process if that is here; may be "
        "repeated")
    add("--mount", metavar="[NAME=]DIR[,PID]", action="append", default=[],
        help="a mounted file system, measured through the kernel's client; may "
        "be repeated")
    add("--dir", help="where the folder that is exported is made (/dev/shm)")
    add("--fio", metavar="FILE", help="fio with the nfs engine")


def add_results(parser):
    add = parser.add_argument_group("results").add_argument
    add("--output", metavar="FILE",
        help="where samples go (rpcbuf-nfs-DATE-TIME.jsonl)")
    add("--resume", metavar="FILE", help="go on with an interrupted run, with "
        "its settings")
    add("--markdown", action="store_true", help="print a table in Markdown")


def listed(parser, option, text, default, convert):
    """The values of a list; every one must be convertible."""
    if text is None:
        return default
    values = [convert(word) for word in text.split(",")]
    if None in values:
        word = text.split(",")[values.index(None)]
        parser.error(f"{option} {word}: not understood (see rpcbuf-bench(1))")
    return values


def bounded(most):
    def convert(word):
        return int(word) if word.isdigit() and 1 <= int(word) <= most else None
    return convert


def chosen(parser, args):
    """The cases that the options name."""
    named = [args.rw, args.bs, args.depth, args.connections]
    cases = matrix(
        listed(parser, "--rw", args.rw, list(PATTERNS),
               lambda word: word if word in PATTERNS else None),
        listed(parser, "--bs", args.bs, SIZES,
               lambda word: word if size_bytes(word) else None),
        listed(parser, "--depth", args.depth, DEPTHS, bounded(1024)),
        listed(parser, "--connections", args.connections, CONNECTIONS,
               bounded(1024)))
    if not args.full and named == [None] * 4:
        cases = [case_of(name) for name in QUICK]
    return by_name(parser, args.cases, cases) if args.cases else cases


def by_name(parser, text, cases):
    """Those of the chosen ones that match; a full name is always a case."""
    everything = {c.name: c for c in cases + matrix()}
    found = []
    for word in text.split(","):
        matches = [c for c in cases if fnmatch.fnmatch(c.name, word)]
        if not matches:
            exact = case_of(word)
            matches = [exact] if exact else [
                c for name, c in everything.items()
                if fnmatch.fnmatch(name, word)]
        if not matches:
            parser.error(f"--cases {word}: there is no such case "
                         "(--list --full prints them)")
        found += [c for c in matches if c not in found]
    return found


def parse(arguments):
    parser = Parser(prog="rpcbuf-bench nfs", description=DESCRIPTION,
                    allow_abbrev=False)
    add_selection(parser)
    add_sides(parser)
    add_results(parser)
    args = parser.parse_args(arguments)
    if args.resume and args.output:
        parser.error("--resume FILE goes on with FILE: --output is too much")
    if args.serve and (args.server or args.mount):
        parser.error("--serve starts servers, --server and --mount name some "
                     "that run: one or the other")
    if args.local and args.congestion:
        parser.error("--congestion is for namespaces of this program's own; "
                     "with --local it is the machine's")
    if args.server or args.mount:
        for option in ("local", "congestion", "also"):
            if getattr(args, option):
                parser.error(f"--{option} is for servers that are started: "
                             "--server and --mount name some that run")
    args.congestion = args.congestion or CONGESTION
    args.cases = chosen(parser, args)
    args.seconds = args.seconds or (FULL_SECONDS if args.full
                                    else QUICK_SECONDS)
    args.only = list(dict.fromkeys(args.only.split(",")))
    args.output = args.output or time.strftime("rpcbuf-nfs-%Y%m%d-%H%M%S.jsonl")
    return args
