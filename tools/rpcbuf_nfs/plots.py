# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The plots of the report. A side has its colour and its marker everywhere.

import math

from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from rpcbuf_nfs.verdict import MARGIN, SAME
from rpcbuf_nfs.svg import COLOURS, SERIES, WIDTH, new_figure, place, to_svg

ROW = 25                # units of height for a case
LABELS = 124            # ... of width for the names of the cases
LABEL_CHARS = 22
NAMES = 12              # of cases below an axis, at most
FEW = 20                # cases of which the axis below can be seen from the top
TICKS = 5               # at most, on a logarithmic axis
MARKERS = "sDo^vP"
RATIOS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32)


class Look:
    """The colour and the marker of each side: those of the measurement that
    tools/serve makes are always the same."""
    known = {"stock": 0, "jemalloc": 1, "rpcbuf": 2, "tuned": 3}

    def __init__(self, sides):
        free = [nr for nr in (0, 2, 1, 3, 4, 5) if nr not in
                [self.known.get(side) for side in sides]] or [0]
        others = [side for side in sides if side not in self.known]
        self.nr = {side: self.known[side] if side in self.known else
                   free[others.index(side) % len(free)] for side in sides}

    def variable(self, side):
        return f"s{self.nr[side]}"

    def colour(self, side):
        return SERIES[self.variable(side)]

    def marker(self, side):
        return MARKERS[self.nr[side]]


def times(value):
    """0.03×, 0.52×, 3.9×, 12×"""
    return f"{value:.{2 if value < 9.95 else 0}f}×"


def tick(value):
    if value >= 1:
        return f"{value:g}×"
    return f"1/{round(1 / value)}×"


def us(value):
    """Microseconds in the unit that fits."""
    for scale, unit in ((1e6, "s"), (1e3, "ms")):
        if value >= scale:
            return f"{value / scale:g} {unit}"
    return f"{value:g} µs"


def case_axis(axes, rows):
    """A line for each case, the first on top, with its number and name."""
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if len(rows) > FEW:
        axes.tick_params(axis="x", labeltop=True)
    axes.set_yticks(range(len(rows)),
                    [row["case"].label for row in rows])
    for i in range(1, len(rows)):
        axes.axhline(i - 0.5, color=COLOURS["grid"], linewidth=0.5, zorder=0)


def offsets(sides):
    """Where in a case's line each side is."""
    step = 0.3 if len(sides) > 2 else 0.36
    return {side: (i - (len(sides) - 1) / 2) * step
            for i, side in enumerate(sides)}


def ratio_limits(values):
    low, high = min(values + [1 / 2]), max(values + [2])
    return low / 1.12, high * 1.12


def ratio_axis(axes, values):
    """Logarithmic: twice as much and half as much are equally far from 1."""
    axes.set_xscale("log")
    low, high = ratio_limits(values)
    axes.set_xlim(low, high)
    shown = [v for v in RATIOS if low <= v <= high]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_major_formatter(FixedFormatter([tick(v) for v in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x")
    axes.axvspan(1 - MARGIN, 1 + MARGIN, color=COLOURS["band"], linewidth=0)
    axes.axvline(1, color=COLOURS["muted"], linewidth=1)


def ratio_plot(results, rows, base, metric, more, name, title):
    """A dot for each ratio to the base, on the line between the extremes of the
    rounds; hollow where there is no clear difference, or no verdict."""
    look, sides = Look(results.sides), results.bases[base]
    found = [(i, side, row["ratios"][base][side][metric])
             for i, row in enumerate(rows) for side in sides
             if metric in row["ratios"][base][side]]
    if not found:
        return None
    column = 44
    numbers = column * len(sides)
    figure = new_figure(ROW * len(rows) + 54)
    axes = place(figure, LABELS, 36, numbers + 6, 18)
    case_axis(axes, rows)
    ratio_axis(axes, [v for _, _, r in found for v in (r["min"], r["max"])])
    shift = offsets(sides)
    for i, side, ratio in found:
        colour, y = look.colour(side), i + shift[side]
        clear = ratio["verdict"] not in (None, SAME)
        axes.plot([ratio["min"], ratio["max"]], [y, y], color=colour,
                  linewidth=2.2, zorder=3)
        axes.plot([ratio["ratio"]], [y], look.marker(side), markersize=6,
                  color=colour, zorder=4, markeredgewidth=1.4,
                  markerfacecolor=colour if clear else COLOURS["bg"])
        place_number(axes, 1 + (column * (sides.index(side) + 1)) /
                     (WIDTH - LABELS - numbers - 6), i, times(ratio["ratio"]),
                     colour)
    for side in sides:
        axes.text(1 + (column * (sides.index(side) + 1)) /
                  (WIDTH - LABELS - numbers - 6), 1.0,
                  side if len(side) < 9 else side[:8] + "…",
                  transform=axes.transAxes, ha="right", va="bottom",
                  fontsize=8.5, color=look.colour(side))
    axes.set_xlabel(f"ratio to {base}   " +
                    ("(more is better →)" if more else "(← less is better)"))
    return to_svg(figure, name, f"{title}: " + "; ".join(
        f"{rows[i]['case'].title}, {side}: {times(ratio['ratio'])}"
        for i, side, ratio in found))


def place_number(axes, x, y, text, colour):
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), ha="right",
              va="center", fontsize=9.5, color=colour)


def log_ticks(low, high, label):
    """As many round numbers between these as there is room for."""
    first = math.floor(math.log10(low))
    for steps in (1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,):
        values = [m * 10.0 ** e for e in range(first, first + 12)
                  for m in steps]
        values = [round(v, 9) for v in values if low <= v <= high]
        if len(values) <= TICKS:
            break
    return values, [label(v) for v in values]


def log_axis(axes, low, high, label):
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    values, texts = log_ticks(low, high, label)
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_major_formatter(FixedFormatter(texts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x")


PERCENTILES = (("p50_us", 5.5), ("p99_us", 5.5), ("p999_us", 5.5))


def latency_plot(results, rows, name):
    """From the median over the 99th to the 99.9th percentile."""
    look, sides = Look(results.sides), results.sides
    figures = [row["sides"][side] for row in rows for side in sides]
    values = [f[key]["median"] for f in figures for key, _ in PERCENTILES
              if key in f and f[key]["median"] > 0]
    if not values:
        return None
    top = 18 if len(rows) > FEW else 4
    figure = new_figure(ROW * len(rows) + 36 + top)
    axes = place(figure, LABELS, 36, 10, top)
    case_axis(axes, rows)
    log_axis(axes, min(values) / 1.3, max(values) * 1.3, us)
    shift = offsets(sides)
    for i, row in enumerate(rows):
        for side in sides:
            points = [row["sides"][side][key]["median"] for key, _ in
                      PERCENTILES if key in row["sides"][side]]
            y, colour = i + shift[side], look.colour(side)
            axes.plot(points, [y] * len(points), color=colour, linewidth=1.4,
                      zorder=3)
            for point, marker, size in zip(points, ("o", "o", "|"),
                                           (5, 4.5, 8)):
                axes.plot([point], [y], marker, markersize=size, color=colour,
                          markeredgewidth=1.3, zorder=4, markerfacecolor=colour
                          if point == points[0] else COLOURS["bg"])
    axes.set_xlabel("latency that the client sees   (← less is better)")
    return to_svg(figure, name, "Latency percentiles of each case")


def value_plot(results, rows, values, name, title, label, text):
    """A dot for each side's own figure, logarithmic."""
    look, sides = Look(results.sides), results.sides
    found = [(i, side, values(row["sides"][side])) for i, row in enumerate(rows)
             for side in sides]
    found = [(i, side, value) for i, side, value in found if value]
    if not found:
        return None
    top = 18 if len(rows) > FEW else 4
    figure = new_figure(ROW * len(rows) + 36 + top)
    axes = place(figure, LABELS, 36, 10, top)
    case_axis(axes, rows)
    shown = [value for _, _, value in found]
    log_axis(axes, min(shown) / 1.5, max(shown) * 1.5, text)
    shift = offsets(sides)
    for i, side, value in found:
        axes.plot([value], [i + shift[side]], look.marker(side), markersize=6,
                  color=look.colour(side), zorder=3)
    axes.set_xlabel(label)
    return to_svg(figure, name, title)


def bars_plot(groups, name, title, label, colour="s2"):
    """A line of bars for each group: (label, [(at most, share)]); the bounds
    are powers of two."""
    bounds = [bound for _, bars in groups for bound, _ in bars]
    if not bounds:
        return None
    first, last = (bound.bit_length() - 1 for bound in (min(bounds),
                                                        max(bounds)))
    last = max(last, first + 3)
    nr, height = len(groups), 36
    figure = new_figure(nr * height + 42)
    axes = place(figure, LABELS, 36, 10, 6)
    for i, (_, bars) in enumerate(groups):
        for bound, share in bars:
            x, bottom = bound.bit_length() - 1, nr - 1 - i
            axes.bar([x], [share * 0.6], bottom=bottom, width=0.8,
                     color=COLOURS[colour], linewidth=0)
            axes.text(x, bottom + share * 0.6 + 0.04, share_text(share),
                      ha="center", va="bottom", fontsize=8)
        axes.axhline(i, color=COLOURS["grid"], linewidth=0.8, zorder=0)
    axes.set_ylim(0, nr)
    axes.set_yticks([nr - 0.72 - i for i in range(nr)],
                    [shortened(heading) for heading, _ in groups])
    axes.set_xlim(first - 0.6, last + 0.6)
    axes.set_xticks(range(first, last + 1),
                    [f"{1 << i:,}" for i in range(first, last + 1)])
    axes.set_xlabel(label)
    return to_svg(figure, name, f"{title}: " + "; ".join(
        f"{heading}: " + ", ".join(f"{share_text(share)} at most {bound}"
                                   for bound, share in bars)
        for heading, bars in groups))


def shortened(text):
    """To what stands beside the axis."""
    return text if len(text) <= LABEL_CHARS else text[:LABEL_CHARS - 1] + "…"


def share_text(share):
    if share < 0.001:
        return "<0.1%"
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"


def memory_plot(results, rows, name):
    """Resident memory of each server while the cases run one after the other,
    a thin line for each round."""
    look = Look(results.sides)
    order = list(dict.fromkeys(key[1] for key in results.samples))
    seconds = results.settings["seconds"]
    repeats = sorted({key[0] for key in results.samples})
    peak, drawn = 0, False
    figure = new_figure(270)
    axes = place(figure, 40, 98, 8, 8)
    for side in results.sides:
        for repeat in repeats:
            for nr, name_of_case in enumerate(order):
                points = results.samples.get(
                    (repeat, name_of_case, side), {}).get("resident")
                if not points:
                    continue
                drawn = True
                x = [nr + min(0.98, at / 1000 / (seconds + 1)) for at, _ in
                     points]
                y = [kib / 1024 for _, kib in points]
                peak = max(peak, *y)
                axes.plot(x, y, color=look.colour(side), linewidth=1.5,
                          alpha=0.85)
    if not drawn:
        return None
    labels = {row["case"].name: row["case"].label for row in rows}
    axes.set_xlim(0, len(order))
    axes.set_ylim(0, peak * 1.08)
    axes.grid(axis="y")
    for nr in range(1, len(order)):
        axes.axvline(nr, color=COLOURS["grid"], linewidth=0.7)
    step = -(-len(order) // NAMES)
    axes.set_xticks([nr + 0.5 for nr in range(0, len(order), step)],
                    [labels.get(case, case) for case in order[::step]],
                    rotation=55, ha="right", rotation_mode="anchor",
                    fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.tick_params(axis="y", labelsize=8.5, labelcolor=COLOURS["muted"])
    axes.set_ylabel("MiB")
    return to_svg(figure, name, "Resident memory of each server over the run")
