# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The report as Markdown, for pasting.

from rpcbuf_nfs import summary, table


def _without_gain(results, rows, base):
    side, missing = summary.target(results), list(
        summary.without_gain(results, rows, base))
    yield (f"No gain of {side} over {base}:" if missing else
           f"{side} gains over {base} in every case and figure.")
    yield ""
    for heading, cases in missing:
        for entry in cases:
            yield (f"- {heading}, {entry['case']}: {entry['ratio']} "
                   f"({entry['span']}), {entry['verdict']}")


def lines(results, rows, trace_rows=()):
    yield f"## {summary.title(results)}"
    yield ""
    yield summary.network(results)
    yield ""
    yield summary.opening(results, rows)
    yield ""
    yield from table.markdown_lines(results, rows)
    yield from table.markdown_rounds(results, rows)
    for base in results.bases if len(results.sides) > 1 else ():
        yield ""
        yield from _without_gain(results, rows, base)
    yield ""
    if trace_rows:
        yield ("| call | calls | bytes | pages | waited | receive p50 | "
               "receive p99 | to reply p50 | to reply p99 |")
        yield "|---" + "|---:" * 8 + "|"
        for row in trace_rows:
            yield "| " + " | ".join(row) + " |"
        yield ""
    for term, text in summary.facts(results, rows):
        yield f"- {term}: {text}"
    for text in summary.caveats(results):
        yield f"- {text}"
