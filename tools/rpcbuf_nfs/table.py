# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Results as text, for a terminal and for pasting.

import statistics

from rpcbuf_nfs import net, verdict

# Metric, heading, divisor, digits, width. The file of results has more.
COLUMNS = (("ops_per_s", "ops/s", 1, 0, 9), ("p99_us", "p99 us", 1, 0, 9),
           ("cpu_us_per_op", "CPU us/op", 1, 1, 11),
           ("peak_kib", "peak MiB", 1024, 1, 10),
           ("pages_per_request", "pages/call", 1, 2, 12))
OTHER_LOAD = 0.05
RATIO_WIDTH = 20
JUDGED = (("ops_per_s", "ops/s", 0), ("cpu_us_per_op", "CPU us/op", 1))


def figure(figures, metric, scale, digits):
    """The median as text; nothing where there is none."""
    if metric not in figures:
        return ""
    return f"{figures[metric]['median'] / scale:,.{digits}f}"


def ratio_text(ratio, digits=2):
    return (f"{ratio['ratio']:.{digits}f} [{ratio['min']:.{digits}f}-"
            f"{ratio['max']:.{digits}f}]") if ratio else ""


def ratio_of(row, base, side, metric):
    """None where there is none."""
    return row["ratios"][base].get(side, {}).get(metric)


def print_line(case, side, cells, ratios):
    """The ratios stand behind the first of the cells."""
    cells = [f"{cell:>{column[4]}}" for cell, column in zip(cells, COLUMNS)]
    ratios = "".join(f"{ratio:>{RATIO_WIDTH}}" for ratio in ratios)
    print(f"{case:22}{side:10}{cells[0]}{ratios}{''.join(cells[1:])}"
          .rstrip())


def print_rows(results, rows):
    bases = results.bases if len(results.sides) > 1 else {}
    print_line("case", "side", [column[1] for column in COLUMNS],
               [f"to {base} [spread]" for base in bases])
    for row in rows:
        for side in results.sides:
            first = side == results.baseline
            print_line(row["case"].name if first else "", side,
                       [figure(row["sides"][side], metric, scale, digits)
                        for metric, _, scale, digits, _ in COLUMNS],
                       [ratio_text(ratio_of(row, base, side, "ops_per_s"))
                        for base in bases])


def rounds_of(results, rows):
    """Every figure that is judged: (heading, [(case, side, [text])])."""
    for metric, heading, digits in JUDGED:
        lines = [(row["case"], side,
                  [f"{value:,.{digits}f}" for value in
                   row["sides"][side][metric]["rounds"]])
                 for row in rows for side in results.sides
                 if metric in row["sides"][side]]
        if lines:
            yield heading, lines


def print_rounds(results, rows):
    for heading, lines in rounds_of(results, rows):
        print(f"\n{heading}, every round")
        for case, side, values in lines:
            first = side == results.baseline
            print(f"{case.name if first else '':22}{side:10}" +
                  "".join(f"{value:>9}" for value in values))


def markdown_rounds(results, rows):
    for heading, lines in rounds_of(results, rows):
        rounds = max(len(values) for _, _, values in lines)
        yield ""
        yield (f"| {heading}, every round | side | " +
               " | ".join(str(nr + 1) for nr in range(rounds)) + " |")
        yield "|---|---" + "|---:" * rounds + "|"
        for case, side, values in lines:
            values = values + [""] * (rounds - len(values))
            yield f"| {case.title} | {side} | " + " | ".join(values) + " |"


def markdown_lines(results, rows):
    pairs = [(base, side) for base, others in results.bases.items()
             for side in others]
    heads = ["case"] + [f"ops/s {side}" for side in results.sides]
    for base, side in pairs:
        heads += [f"{side} / {base} {what}" for what in
                  ("ops/s", "CPU/op", "p99")]
    yield "| " + " | ".join(heads) + " |"
    yield "|---" + "|---:" * (len(heads) - 1) + "|"
    for row in rows:
        cells = [row["case"].title] + [
            figure(row["sides"][side], "ops_per_s", 1, 0)
            for side in results.sides]
        for base, side in pairs:
            cells += [ratio_text(ratio_of(row, base, side, metric)) for metric
                      in ("ops_per_s", "cpu_us_per_op", "p99_us")]
        yield "| " + " | ".join(cells) + " |"


def judged(rows, base, side, metric):
    """slower in 4k-randread-qd1 (0.90), faster in all others; ..."""
    found = {}
    for row in rows:
        ratio = ratio_of(row, base, side, metric)
        if ratio:
            text = verdict.verdict_text(ratio["verdict"], metric,
                                        ratio["rounds"])
            found.setdefault(text, []).append(
                f"{row['case'].name} ({ratio['ratio']:.2f})")
    if len(found) == 1:
        return f"{next(iter(found))} in every case"
    return "; ".join(f"{text} in {', '.join(cases)}"
                     for text, cases in found.items())


def verdicts(results, rows):
    found = [ratio for row in rows for sides in row["ratios"].values()
             for ratios in sides.values() for ratio in ratios.values()]
    if found and not any(ratio["verdict"] for ratio in found):
        yield verdict.no_verdict(max(ratio["rounds"] for ratio in found))
        return
    for base, others in results.bases.items():
        for side in others:
            for metric, heading, _ in JUDGED:
                text = judged(rows, base, side, metric)
                if text:
                    yield f"{side} against {base}, {heading}: {text}"


def notes(results, rows):
    """What a reader must know to judge the figures."""
    settings, machine = results.settings, results.head["machine"]
    samples = list(results.samples.values())
    ratios = ("ratios are of medians, in brackets the extremes of the rounds; "
              if len(results.sides) > 1 else "")
    where = "client and server" if settings["one_machine"] else "client"
    yield net.about(settings["network"])
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
               "last operation (libnfs) and its jobs were ended; the figures "
               "are whole")
    yield from verdicts(results, rows)


def show(results, rows, markdown):
    print_rows(results, rows)
    print_rounds(results, rows)
    if markdown:
        print("", *markdown_lines(results, rows),
              *markdown_rounds(results, rows), sep="\n")
    print()
    for note in notes(results, rows):
        print(f"- {note}")
