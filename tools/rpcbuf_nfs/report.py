# SPDX-License-Identifier: LGPL-3.0-or-later
#
# rpcbuf-report: results of rpcbuf-bench nfs, and a trace, as one page.

import os

from rpcbuf_nfs import markdown, net, plots, summary, table
from rpcbuf_nfs.fault import (LIBRARY, NOTHING, OUTPUT, Fault, Parser)
from rpcbuf_nfs.results import merge, read_results, summarise
from rpcbuf_nfs.verdict import MARGIN
from rpcbuf_nfs.trace import log2_histogram, mean, percentile, read_trace

try:
    import jinja2
except ImportError:
    raise Fault(LIBRARY, "the Python library jinja2 is not installed "
                "(Debian: python3-jinja2)") from None

# Metric, heading and unit, divisor, digits: the columns of the table.
COLUMNS = (("ops_per_s", "ops/s", 1, 0), ("mib_per_s", "MiB/s", 1, 0),
           ("p50_us", "p50 µs", 1, 0), ("p99_us", "p99 µs", 1, 0),
           ("p999_us", "p99.9 µs", 1, 0), ("cpu_us_per_op", "CPU µs/op", 1, 1),
           ("switches_per_op", "switches/op", 1, 2),
           ("peak_kib", "peak MiB", 1024, 1),
           ("pages_per_request", "pages/req", 1, 2))

TRACE_ROWS = 12         # procedures in a picture

# Metric, whether more is better, name of the picture, heading.
RATIO_PLOTS = (("ops_per_s", True, "ops", "Operations per second"),
               ("cpu_us_per_op", False, "cpu", "Server CPU per operation"),
               ("p99_us", False, "p99", "Latency, 99th percentile"),
               ("peak_kib", False, "peak", "Peak server memory"))


def switches(figures):
    figure = figures.get("switches_per_op")
    return figure and figure["median"]


def figure_of(heading, svg, caption=""):
    return {"heading": heading, "svg": svg, "caption": caption} if svg else None


def ratio_figures(results, rows, base):
    nr = list(results.bases).index(base)
    for metric, more, name, heading in RATIO_PLOTS:
        yield figure_of(heading, plots.ratio_plot(
            results, rows, base, metric, more, f"{name}-{nr}", heading))


def comparisons(results, rows):
    """For each base the ratios to it."""
    for base, others in results.bases.items():
        if others:
            yield {"base": base, "without_gain": list(
                       summary.without_gain(results, rows, base)),
                   "figures": [f for f in ratio_figures(results, rows, base)
                               if f]}


def more_figures(results, rows):
    yield figure_of(
        "Latency", plots.latency_plot(results, rows, "latency"),
        "From the median (filled) over the 99th percentile (hollow) to the "
        "99.9th (bar).")
    yield figure_of(
        "Context switches", plots.value_plot(
            results, rows, switches, "switches",
            "Context switches of the server per operation",
            "context switches per operation   (← less is better)",
            lambda value: f"{value:g}"),
        "Voluntary and involuntary, of all threads of the server.")
    groups = [(heading, bars) for heading, bars in summary.histograms(results)]
    yield figure_of(
        "Pages per request", plots.bars_plot(
            groups, "pages", "Pages that requests reached into",
            "pages that a request reached into, at most"),
        "The count of rpcbuf itself, of every request in the samples. Small "
        "calls share a page; a large WRITE has pages of its own.")
    yield figure_of(
        "Memory over time", plots.memory_plot(results, rows, "memory"),
        "Resident memory of each server during each case, in the order in which "
        "they ran; a line for each round.")


def table_rows(results, rows):
    for row in rows:
        for nr, side in enumerate(results.sides):
            figures = row["sides"][side]
            cells = [(table.figure(figures, metric, scale, digits), "")
                     for metric, _, scale, digits in COLUMNS]
            cells[1:1] = [cell for base, others in results.bases.items()
                          if others for cell in ratio_cells(row, base, side)]
            yield {"case": row["case"].title if nr == 0 else "", "side": side,
                   "cells": cells}


def ratio_cells(row, base, side):
    """(text, class): ratio and spread."""
    ratio = table.ratio_of(row, base, side, "ops_per_s")
    if not ratio:
        return [("", "")] * 2
    return [(text, ratio["verdict"] or "") for text in
            (summary.times(ratio["ratio"]), summary.span(ratio))]


def round_tables(results, rows):
    for heading, lines in table.rounds_of(results, rows):
        yield {"heading": heading,
               "rounds": max(len(values) for _, _, values in lines),
               "lines": [{"case": case.title, "side": side, "values": values}
                         for case, side, values in lines]}


# ------------------------------------------------------------------ the trace

def ns(value):
    """Nanoseconds in the unit that fits."""
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if value >= scale:
            return f"{value / scale:.{1 if value < 100 * scale else 0}f} {unit}"
    return f"{value:.0f} ns"


def trace_row(name, calls, fields):
    def mean_text(field, digits):
        value = mean(fields[field])
        return "" if value is None else f"{value:,.{digits}f}"
    row = [name, f"{calls:,}", mean_text("bytes", 0), mean_text("pages", 2),
           f"{sum(v > 0 for v in fields['wait_ns']):,}"]
    for field in "receive_ns", "reply_ns":
        row += [ns(percentile(fields[field], share)) if fields[field] else ""
                for share in (0.5, 0.99)]
    return row


def trace_view(trace):
    def bars_of(values):
        found = log2_histogram(values)
        total = sum(count for _, count in found)
        return [(bound, count / total) for bound, count in found if count]
    groups = [(name, bars_of(fields["pages"]))
              for name, _, fields in trace.rows() if fields["pages"]]
    return {
        "calls": f"{trace.calls:,}", "lost": trace.lost,
        "rows": [trace_row(*row) for row in trace.rows()],
        "figure": figure_of("Pages per request in the trace", plots.bars_plot(
            groups[:TRACE_ROWS], "trace-pages",
            "Pages per request in the trace", "pages of a request, at most"))}


# ------------------------------------------------------------------- the page

def page(results, rows, trace, heading):
    here = os.path.dirname(os.path.abspath(__file__))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here), autoescape=True,
        trim_blocks=True, lstrip_blocks=True)
    look = plots.Look(results.sides)
    return environment.get_template("page.html").render(
        title=heading or summary.title(results), results=results,
        network=summary.network(results),
        local=results.settings["network"]["kind"] == net.LOCAL,
        opening=summary.opening(results, rows),
        headlines=list(summary.headlines(results, rows)),
        target=summary.target(results), margin=f"{MARGIN:.0%}",
        sides=[{"name": side["name"], "about": side["about"],
                "colour": look.variable(side["name"]),
                "marker": "■◆●▲▼✚"[look.nr[side["name"]]]}
               for side in results.settings["sides"]],
        comparisons=list(comparisons(results, rows)),
        round_tables=list(round_tables(results, rows)),
        figures=[f for f in more_figures(results, rows) if f],
        columns=[heading for _, heading, _, _ in COLUMNS],
        table=list(table_rows(results, rows)), trace=trace,
        facts=list(summary.facts(results, rows)),
        caveats=list(summary.caveats(results)), many=len(results.sides) > 1,
        missing=missing(results, rows))


def missing(results, rows):
    """How many measurements of cases an interrupted run lacks, of how many."""
    settings = results.settings
    wanted = len(settings["cases"]) * settings["repeat"]
    return max(0, wanted - sum(row["repeats"] for row in rows)), wanted


def write(path, text):
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    except OSError as error:
        raise Fault(OUTPUT, f"{path} cannot be written: {error.strerror}"
                    ) from None


def parse(arguments, version):
    parser = Parser(prog="rpcbuf-report", allow_abbrev=False, description=(
        "Makes one page, complete in itself, of results of rpcbuf-bench nfs."))
    add = parser.add_argument
    add("results", nargs="+", metavar="RESULTS",
        help="files that rpcbuf-bench nfs wrote, of the same machine")
    add("-o", "--output", metavar="FILE", help="where the page goes")
    add("-t", "--trace", metavar="FILE",
        help="what rpcbuf-trace --json printed, to be shown as well")
    add("-m", "--markdown", action="store_true",
        help="print the report in Markdown")
    add("--title", metavar="TEXT", help="the heading of the page")
    add("-V", "--version", action="version", version=f"rpcbuf-report {version}")
    args = parser.parse_args(arguments)
    if not args.output and not args.markdown:
        parser.error("nothing is to be made: -o FILE, --markdown, or both")
    return args


def main(place, arguments):
    args = parse(arguments, place.version)
    results = merge([(path, read_results(path)) for path in args.results])
    try:
        rows = summarise(results)
    except Fault:
        raise Fault(NOTHING, f"{', '.join(args.results)}: no case was measured "
                    "on every server") from None
    trace = trace_view(read_trace(args.trace)) if args.trace else None
    if args.output:
        write(args.output, page(results, rows, trace, args.title))
    if args.markdown:
        print(*markdown.lines(results, rows, trace["rows"] if trace else ()),
              sep="\n")
