# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Results as text, for a terminal and for pasting.

import statistics

# Metric, heading, divisor, digits, width. The file of results has more.
COLUMNS = (("ops_per_s", "ops/s", 1, 0, 9), ("p99_us", "p99 us", 1, 0, 9),
           ("cpu_us_per_op", "CPU us/op", 1, 1, 11),
           ("peak_kib", "peak MiB", 1024, 1, 10),
           ("pages_per_request", "pages/call", 1, 2, 12))
OTHER_LOAD = 0.05


def figure(figures, metric, scale, digits):
    """The median as text; nothing where there is none."""
    if metric not in figures:
        return ""
    return f"{figures[metric]['median'] / scale:,.{digits}f}"


def ratio_text(ratio, digits=2):
    return (f"{ratio['ratio']:.{digits}f} [{ratio['min']:.{digits}f}-"
            f"{ratio['max']:.{digits}f}]") if ratio else ""


def print_line(case, side, cells, ratio):
    """The ratio stands behind the first of the cells."""
    cells = [f"{cell:>{column[4]}}" for cell, column in zip(cells, COLUMNS)]
    print(f"{case:22}{side:10}{cells[0]}{ratio:>18}{''.join(cells[1:])}"
          .rstrip())


def print_rows(results, rows):
    print_line("case", "side", [column[1] for column in COLUMNS],
               "ratio [spread]")
    for row in rows:
        for side in results.sides:
            first = side == results.baseline
            print_line(row["case"].name if first else "", side,
                       [figure(row["sides"][side], metric, scale, digits)
                        for metric, _, scale, digits, _ in COLUMNS],
                       ratio_text(row["ratios"][side].get("ops_per_s")))


def markdown_lines(results, rows):
    others = results.sides[1:]
    heads = ["case"] + [f"ops/s {side}" for side in results.sides]
    for side in others:
        heads += [f"{side} ops/s ratio", f"{side} CPU/op ratio",
                  f"{side} p99 ratio"]
    yield "| " + " | ".join(heads) + " |"
    yield "|---" + "|---:" * (len(heads) - 1) + "|"
    for row in rows:
        cells = [row["case"].title] + [
            figure(row["sides"][side], "ops_per_s", 1, 0)
            for side in results.sides]
        for side in others:
            cells += [ratio_text(row["ratios"][side].get(metric)) for metric in
                      ("ops_per_s", "cpu_us_per_op", "p99_us")]
        yield "| " + " | ".join(cells) + " |"


def without_gain(results, rows, side):
    """Titles of the cases in which a side is not faster than the baseline."""
    found = []
    for row in rows:
        ratio = row["ratios"][side].get("ops_per_s")
        if ratio and ratio["verdict"] != "better":
            slower = ", slower" if ratio["verdict"] == "worse" else ""
            found.append(f"{row['case'].name} ({ratio['ratio']:.2f}{slower})")
    return found


def notes(results, rows):
    """What a reader must know to judge the figures."""
    settings, machine = results.settings, results.head["machine"]
    samples = list(results.samples.values())
    ratios = (f"ratios are to {results.baseline}, in brackets the extremes of "
              "the repeats; " if len(results.sides) > 1 else "")
    where = "client and server" if settings["one_machine"] else "client"
    yield (f"medians of {settings['repeat']} samples of {settings['seconds']} "
           f"s; {ratios}{where} on one machine of {machine['cpus']} CPUs, "
           f"Linux {machine['kernel']}; "
           f"{settings['client']}, file of {settings['size_mib']} MiB" +
           (f" on {settings['file_system']}" if settings["file_system"]
            else ""))
    for side in settings["sides"]:
        yield f"{side['name']}: {side['about']}"
        if side.get("note"):
            yield side["note"]
    loaded = [s["foreign_share"] for s in samples
              if s.get("foreign_share", 0) > OTHER_LOAD]
    if loaded:
        yield (f"in {len(loaded)} of {len(samples)} samples over "
               f"{OTHER_LOAD:.0%} of the machine went to other programs "
               f"(median {statistics.median(loaded):.0%}, worst "
               f"{max(loaded):.0%}): operations per second then say little")
    overstayed = sum(s.get("fio_overstayed", False) for s in samples)
    if overstayed:
        yield (f"in {overstayed} of {len(samples)} samples fio hung after its "
               "last operation (libnfs) and was ended; the figures are whole")
    for side in results.sides[1:]:
        found = without_gain(results, rows, side)
        yield (f"{side} is not faster in: {', '.join(found)}" if found else
               f"{side} is faster in every case")


def show(results, rows, markdown):
    print_rows(results, rows)
    if markdown:
        print("", *markdown_lines(results, rows), sep="\n")
    print()
    for note in notes(results, rows):
        print(f"- {note}")
