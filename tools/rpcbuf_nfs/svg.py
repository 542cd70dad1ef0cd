# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Figures of matplotlib as inline SVG of a page: colours are variables of its
# style sheet, so that one picture serves light, dark and paper, and text is text
# in the page's font.

import html
import io
import re

from rpcbuf_nfs.fault import LIBRARY, Fault

try:
    import matplotlib
    from matplotlib.figure import Figure
except ImportError:
    raise Fault(LIBRARY, "the Python library matplotlib is not installed "
                "(Debian: python3-matplotlib)") from None

# A colour that stands for each variable of the style sheet.
COLOURS = {"fg": "#010101", "muted": "#020202", "grid": "#030303",
           "band": "#040404", "bg": "#050505"}
SERIES = {f"s{i}": f"#06060{i}" for i in range(6)}
COLOURS.update(SERIES)

WIDTH = 360             # units of the picture; as wide as a small screen
INCH = 72

matplotlib.rcParams.update({
    "svg.fonttype": "none", "font.size": 9.5, "font.family": "DejaVu Sans",
    "text.color": COLOURS["fg"], "axes.labelcolor": COLOURS["muted"],
    "axes.edgecolor": COLOURS["grid"], "axes.linewidth": 0.8,
    "axes.axisbelow": True, "axes.spines.top": False,
    "axes.spines.right": False, "xtick.color": COLOURS["grid"],
    "ytick.color": COLOURS["grid"], "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["fg"], "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.7, "xtick.labelsize": 9, "ytick.labelsize": 9.5,
    "axes.labelsize": 9, "xtick.major.size": 3, "ytick.major.size": 0,
    "lines.solid_capstyle": "round"})


def new_figure(height):
    """height: in units, as the width."""
    figure = Figure(figsize=(WIDTH / INCH, height / INCH), dpi=INCH)
    figure.patch.set_alpha(0)
    return figure


def place(figure, left, bottom, right, top, **axes):
    """Axes at these distances from the edges, in units."""
    width, height = (side * INCH for side in figure.get_size_inches())
    return figure.add_axes([left / width, bottom / height,
                            (width - left - right) / width,
                            (height - bottom - top) / height],
                           facecolor="none", **axes)


def _text(match):
    """matplotlib names its own font in each text; the page has one."""
    size = re.search(r"([\d.]+)px", match[1])
    return f"font-size: {size[1]}px" if size else ""


def to_svg(figure, name, description):
    """name: unique on the page."""
    matplotlib.rcParams["svg.hashsalt"] = name
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True,
                   metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->|<style.*?</style>", "", text, flags=re.S)
    text = re.sub(r"\bid=\"", f"id=\"{name}-", text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r"xlink:href=\"#", f"href=\"#{name}-", text)
    text = re.sub(r"font: ([^;\"]*)", _text, text)
    for variable, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{variable})")
    view = re.search(r"viewBox=\"[^\"]*\"", text)[0]
    label = html.escape(description, quote=True)
    head = f'<svg {view} role="img" aria-label="{label}">'
    return head + re.sub(r"\n\s*", "\n", text[text.index(">") + 1:]).strip()
