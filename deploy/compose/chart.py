"""Panels of lines over one time axis, as an SVG that can be read on a light and on a dark page."""

import dataclasses
import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, PANEL, GAP, BOTTOM = 900, 64, 16, 48, 130, 46, 34

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .title { font-size: 15px; font-weight: 600; fill: #1f2328 }
  .name { font-weight: 600; fill: #1f2328 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .mark { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 3 3 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  .c0 { stroke: #0969da } .c1 { stroke: #bc4c00 } .c2 { stroke: #1a7f37 }
  .t0 { fill: #0969da } .t1 { fill: #bc4c00 } .t2 { fill: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 } .title, .name { fill: #f0f6fc }
    .grid { stroke: #3d444d } .mark { stroke: #656c76 }
    .c0 { stroke: #58a6ff } .c1 { stroke: #f0883e } .c2 { stroke: #3fb950 }
    .t0 { fill: #58a6ff } .t1 { fill: #f0883e } .t2 { fill: #3fb950 }
  }
"""


@dataclasses.dataclass
class Line:
    name: str
    points: list  # (seconds, value)
    # If true, a value is drawn constant until the next point.
    steps: bool = False


@dataclasses.dataclass
class Panel:
    name: str
    lines: list


@dataclasses.dataclass
class Frame:
    seconds: float
    # Events, as (seconds, text).
    marks: list


def ceiling(value):
    """Returns the end of an axis: 1, 2, 4 or 8 times a power of ten, so that a quarter is also
    round."""
    if value <= 1:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(each * power for each in (1, 2, 4, 8, 10) if value <= each * power)


def short(value):
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def draw(title, panels, frame):
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        text(LEFT, 20, title, "title"),
    ]
    for place, panel in enumerate(panels):
        parts += panel_parts(panel, frame, TOP + place * (PANEL + GAP), place == 0)
    step = next(each for each in (10, 30, 60, 120, 300, 600, 1800) if frame.seconds / each <= 12)
    for seconds in range(0, int(frame.seconds) + 1, step):
        parts.append(text(x(seconds, frame), height - BOTTOM + 18, clock(seconds), "", "middle"))
    return "\n".join([*parts, "</svg>", ""])


def panel_parts(panel, frame, top, is_first):
    most = ceiling(max((value for line in panel.lines for _, value in line.points), default=1))
    parts = [text(LEFT, top - 8, panel.name, "name")]
    for quarter in range(5) if most >= 4 else (0, 2, 4):
        height = top + PANEL - quarter * PANEL / 4
        parts.append(f'<path class="grid" d="M{LEFT} {height:g}H{WIDTH - RIGHT}"/>')
        parts.append(text(LEFT - 8, height + 4, short(most * quarter / 4), "", "end"))
    for seconds, what in frame.marks:
        place = x(seconds, frame)
        parts.append(f'<path class="mark" d="M{place:.1f} {top}V{top + PANEL}"/>')
        if is_first:
            parts.append(text(place + 4, top + 12, what, ""))
    for number, line in enumerate(panel.lines):
        parts.append(f'<path class="line c{number}" d="{path(line, frame, top, most)}"/>')
    names = WIDTH - RIGHT
    for number, line in reversed(list(enumerate(panel.lines))):
        parts.append(text(names, top - 8, line.name, f"t{number}", "end"))
        names -= 7 * len(line.name) + 18
    return parts


def path(line, frame, top, most):
    drawn, last = [], None
    for seconds, value in line.points:
        across, down = x(seconds, frame), top + PANEL * (1 - value / most)
        if last is not None and line.steps:
            drawn.append(f"H{across:.1f}V{down:.1f}")
        else:
            drawn.append(f"{'M' if last is None else 'L'}{across:.1f} {down:.1f}")
        last = value
    return "".join(drawn)


def x(seconds, frame):
    return LEFT + (WIDTH - LEFT - RIGHT) * seconds / frame.seconds


def clock(seconds):
    return f"{seconds // 60}:{seconds % 60:02d}"


def text(across, down, words, kind, anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{across:.1f}" y="{down:g}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'
