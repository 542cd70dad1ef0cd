# SPDX-License-Identifier: LGPL-3.0-or-later
#
# What the results say, in words and numbers; for the page and for Markdown.

import statistics
import time

from rpcbuf_nfs import net, table, verdict
from rpcbuf_nfs.case import case_of, size_bytes, size_title
from rpcbuf_nfs.results import METRICS
from rpcbuf_nfs.sides import SERVED

# Metric, title, and what it is to have more or less of it.
HEADLINES = (("ops_per_s", "Operations per second"),
             ("cpu_us_per_op", "Server CPU per operation"),
             ("p99_us", "Latency, 99th percentile"),
             ("peak_kib", "Peak server memory"))
KINDS = ("read", "write", "mixed")
COUNTS = (("better", "better"), ("same", "no clear difference"),
          ("worse", "worse"), (None, "without a verdict"))


def title(results):
    text = "NFS servers compared: " + ", ".join(results.sides)
    if set(results.sides) <= set(SERVED) and "rpcbuf" in results.sides:
        text = "NFS-Ganesha with and without rpcbuf"
    local = results.settings["network"]["kind"] == net.LOCAL
    return text + (" (local)" if local else "")


def network(results):
    text = net.about(results.settings["network"])
    return f"{text[0].upper()}{text[1:]}."


def target(results):
    """The side that the page is about: the last."""
    return results.sides[-1]


def times(value):
    return f"{value:.{2 if value < 9.95 else 1}f}×"


def low_to_high(values):
    """0.90× to 1.20×, or 1.00× where that is all."""
    low, high = times(min(values)), times(max(values))
    return low if low == high else f"{low} to {high}"


def span(ratio):
    return f"{times(ratio['min'])[:-1]} – {times(ratio['max'])}"


def ratios_of(rows, base, side, metric):
    found = [table.ratio_of(row, base, side, metric) for row in rows]
    return [ratio for ratio in found if ratio]


def counted(ratios):
    """5 better, 1 no clear difference"""
    verdicts = [ratio["verdict"] for ratio in ratios]
    return [(name, text, verdicts.count(name)) for name, text in COUNTS
            if verdicts.count(name)]


def pairs(results):
    """(base, side), the target first."""
    side = target(results)
    found = [(base, other) for base, others in results.bases.items()
             for other in reversed(others)]
    return sorted(found, key=lambda pair: pair[1] != side)


def headlines(results, rows):
    """For each metric the median of the cases' ratios, by base and side; that
    of the target to the first base leads."""
    for metric, heading in HEADLINES:
        sides = []
        for base, side in pairs(results):
            ratios = ratios_of(rows, base, side, metric)
            if ratios:
                values = [ratio["ratio"] for ratio in ratios]
                sides.append({
                    "side": side, "base": base,
                    "median": times(statistics.median(values)),
                    "span": low_to_high(values),
                    "counts": counted(ratios), "cases": len(ratios)})
        if sides:
            yield {"title": heading, "sides": sides,
                   "wish": "more is better" if METRICS[metric]
                   else "less is better"}


def cases_text(number, of):
    if number == of:
        return f"all {of} cases" if of > 1 else "the only case"
    return f"{number} of {of} cases"


def opening(results, rows):
    """The result in sentences."""
    side = target(results)
    found = [_against(rows, base, side) for base in results.bases]
    return " ".join(filter(None, found)) or (
        f"{len(rows)} cases of {side} alone; there is nothing to compare.")


def _against(rows, base, side):
    ratios = ratios_of(rows, base, side, "ops_per_s")
    if not ratios:
        return None
    values = [ratio["ratio"] for ratio in ratios]
    parts = [f"{side} completes {low_to_high(values)} "
             f"the operations per second of {base}"]
    judged = [ratio for ratio in ratios if ratio["verdict"]]
    better = sum(ratio["verdict"] == "better" for ratio in judged)
    worse = sum(ratio["verdict"] == "worse" for ratio in judged)
    if judged:
        parts.append(f"more in {cases_text(better, len(ratios))}" if better
                     else "more in no case")
    if len(judged) - better - worse:
        parts.append(f"without a clear difference in "
                     f"{len(judged) - better - worse}")
    if worse:
        parts.append(f"fewer in {worse}")
    for rounds in sorted({r["rounds"] for r in ratios if not r["verdict"]}):
        parts.append(verdict.no_verdict(rounds))
    text = f"{parts[0]}: {', '.join(parts[1:])}."
    cpu = ratios_of(rows, base, side, "cpu_us_per_op")
    if cpu:
        less = sum(ratio["verdict"] == "better" for ratio in cpu)
        values = [ratio["ratio"] for ratio in cpu]
        text += (f" An operation takes {low_to_high(values)} the server CPU "
                 f"time of {base}" + (f"; less in {cases_text(less, len(cpu))}"
                                      if less else "") + ".")
    return text


def without_gain(results, rows, base):
    """For each headline, the cases in which the target is not better."""
    side = target(results)
    for metric, heading in HEADLINES:
        cases = []
        for row in rows:
            ratio = table.ratio_of(row, base, side, metric)
            if ratio and ratio["verdict"] != "better":
                cases.append({"case": row["case"].title, "span": span(ratio),
                              "ratio": times(ratio["ratio"]),
                              "verdict": verdict.verdict_text(
                                  ratio["verdict"], metric, ratio["rounds"]),
                              "worse": ratio["verdict"] == "worse"})
        if cases:
            yield heading, cases


def histograms(results):
    """Pages per request, by block size, of the sides that count them: a
    heading, and (at most, share of the requests)."""
    groups = {}
    for (_, name, side), sample in results.samples.items():
        if sample.get("pages_histogram"):
            case = case_of(name)
            kind = next(kind for kind in KINDS if kind in case.rw)
            key = size_bytes(case.size), KINDS.index(kind), case.size
            counts = groups.setdefault(key, {})
            histogram = sample["pages_histogram"]
            for i, count in enumerate(histogram["counts"]):
                counts[1 << i] = counts.get(1 << i, 0) + count
    for (_, kind, size), counts in sorted(groups.items()):
        total = sum(counts.values())
        if total:
            yield (f"{size_title(size)} {KINDS[kind]}",
                   [(bound, count / total) for bound, count in counts.items()
                    if count])


def facts(results, rows):
    """How it was measured: (term, text)."""
    head, settings = results.head, results.settings
    machine = head["machine"]
    yield "Machine", (f"{machine['cpus']} CPUs ({machine['cpu_model']}), "
                      f"{machine.get('memory_mib', 0) / 1024:.0f} GiB, Linux "
                      f"{machine['kernel']}" + (
                          "; client and servers share it"
                          if settings["one_machine"] else "; of the client"))
    for side in settings["sides"]:
        yield side["name"], " ".join([side["about"] + "."] +
                                     ([side["note"]] if side.get("note")
                                      else []))
    yield "Network", network(results)
    yield "Client", (f"{settings['client']}; a file of {settings['size_mib']} "
                     f"MiB" + (f" on {settings['file_system']}"
                               if settings["file_system"] else ""))
    yield "Samples", (
        f"{len(results.samples)}, of {settings['seconds']} s each; every case "
        f"{max(row['repeats'] for row in rows)} times on servers freshly "
        "started, in turns. Figures are medians of the rounds, ratios are of "
        "medians, the spread is that of the ratios of the rounds.")
    yield "Verdicts", (
        f"Better or worse is a side whose median is so by more than "
        f"{verdict.MARGIN:.0%}, and whose figure is so, too, in more than half "
        f"of at least {verdict.ROUNDS} rounds.")
    yield "Versions", ", ".join(f"{name} {version}" for name, version in
                                head["software"].items() if version)
    yield "Begun", time.strftime("%Y-%m-%d %H:%M", time.localtime(head["time"]))


def caveats(results):
    samples = list(results.samples.values())
    loaded = [s["foreign_share"] for s in samples
              if s.get("foreign_share", 0) > table.OTHER_LOAD]
    if loaded:
        yield (f"In {len(loaded)} of {len(samples)} samples more than "
               f"{table.OTHER_LOAD:.0%} of the machine went to other programs "
               f"(median of these {statistics.median(loaded):.0%}, worst "
               f"{max(loaded):.0%}). Operations per second then say little; "
               "CPU time per operation suffers less.")
    elif any("foreign_share" in s for s in samples):
        worst = max(s.get("foreign_share", 0) for s in samples)
        yield (f"Other programs took at most {worst:.1%} of the machine in any "
               "sample.")
    overstayed = sum(s.get("fio_overstayed", False) for s in samples)
    if overstayed:
        yield (f"In {overstayed} of {len(samples)} samples fio hung after its "
               "last operation (libnfs) and its jobs were ended; the figures "
               "are whole.")
    if results.settings["one_machine"]:
        yield ("Client and server share the CPUs, so the client is part of "
               "the bottleneck: operations per second understate what the "
               "server gained. CPU time per operation does not.")
    yield ("With one call in flight (depth 1), the figures are about waking "
           "up an idle CPU rather than about the server.")
    yield ("CPU time is that of the server's process, all threads, from before "
           "the client connects until it has gone. Peak memory is the highest "
           "resident size during a sample; a server keeps what earlier cases "
           "made it allocate.")
