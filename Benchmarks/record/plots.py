"""Panels of lines over one number, as an SVG that can be read on a light and on a dark page. Pure."""

import dataclasses
import math
import pathlib
import sys
from xml.sax.saxutils import escape

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "deploy/compose"))
from chart import (  # noqa: E402
    BOTTOM, GAP, LEFT, PANEL, RIGHT, STYLE, TOP, WIDTH, Line, Panel, ceiling, short, text)

MORE_COLOURS = """
  .c3 { stroke: #8250df } .c4 { stroke: #bf3989 } .c5 { stroke: #6e7781 }
  .t3 { fill: #8250df } .t4 { fill: #bf3989 } .t5 { fill: #6e7781 }
  @media (prefers-color-scheme: dark) {
    .c3 { stroke: #a371f7 } .c4 { stroke: #f778ba } .c5 { stroke: #8c959f }
    .t3 { fill: #a371f7 } .t4 { fill: #f778ba } .t5 { fill: #8c959f }
  }
"""
# Far values are drawn on a logarithmic axis.
FAR = 20


@dataclasses.dataclass
class Axis:
    low: float
    high: float
    is_log: bool

    def place(self, value):
        """Where a value lies, from 0 to 1."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def marks(self):
        if not self.is_log:
            return [self.low + (self.high - self.low) * quarter / 4 for quarter in range(5)]
        first, last = round(math.log10(self.low)), round(math.log10(self.high))
        return [10.0 ** power for power in range(first, last + 1)]


def axis(values):
    """The axis of a panel's values, from 0 or between powers of ten."""
    positive = [value for value in values if value > 0]
    if positive and max(positive) > FAR * min(positive):
        low = 10.0 ** math.floor(math.log10(min(positive)))
        high = 10.0 ** math.ceil(math.log10(max(positive)))
        return Axis(low, high, True)
    most = max(positive, default=1.0)
    return Axis(0.0, ceiling(most) if most > 1 else most, False)


def draw(title, across, panels):
    """`across` says what the numbers below the panels are. A line is drawn through the points that have
    a value."""
    points = [point for panel in panels for line in panel.lines for point in line.points]
    values = sorted({x for x, _ in points})
    if not values:
        return None
    ends = Axis(values[0], values[-1], values[0] > 0 and values[-1] > FAR * values[0])
    if values[0] == values[-1]:
        ends = Axis(0.0, 2.0 * values[0] or 1.0, False)
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}{MORE_COLOURS}</style>",
        text(LEFT, 20, title, "title"),
    ]
    for number, panel in enumerate(panels):
        parts += panel_parts(panel, ends, TOP + number * (PANEL + GAP))
    for value in values:
        parts.append(text(x(value, ends), height - BOTTOM + 2, short(value), "", "middle"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - 8, across, "", "middle"))
    return "\n".join([*parts, "</svg>", ""])


def panel_parts(panel, ends, top):
    scale = axis([value for line in panel.lines for _, value in line.points])
    parts = [text(LEFT, top - 8, panel.name, "name")]
    for mark in scale.marks():
        height = top + PANEL * (1 - scale.place(mark))
        parts.append(f'<path class="grid" d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(text(LEFT - 8, round(height + 4, 1), short(round(mark, 4)), "", "end"))
    names = WIDTH - RIGHT
    for number, line in reversed(list(enumerate(panel.lines))):
        drawn = [(x(at, ends), top + PANEL * (1 - scale.place(max(value, scale.low))))
                 for at, value in line.points]
        if drawn:
            path = "L".join(f"{across:.1f} {down:.1f}" for across, down in drawn)
            parts.append(f'<path class="line c{number}" d="M{path}"/>')
        parts.append(text(names, top - 8, line.name, f"t{number}", "end"))
        names -= 7 * len(line.name) + 18
    return parts


def x(value, ends):
    return LEFT + 12 + (WIDTH - LEFT - RIGHT - 24) * ends.place(value)


# --- the plots of the record


def all_plots(record):
    """The plots by the names of their files."""
    whole, plots = record["whole"], {}
    # A tick a second costs what nothing costs.
    calm = sorted((each for each in whole.get("latency", []) if each["rate"] > 1), key=lambda each: each["rate"])
    if calm:
        plots["latency.svg"] = draw(
            "Latency by rate, ms", "ticks a second",
            [Panel(stage, quantiles(calm, stage)) for stage in calm[0]["latency_ms"]])
        plots["processor.svg"] = draw(
            "Processor time of a million ticks by rate, s", "ticks a second",
            [Panel("seconds", parts_lines([(each["rate"], each["processor"]) for each in calm]))])
    for curve in whole.get("curves", []):
        plots[f"growth-{curve['name']}.svg"] = growth_plot(curve)
    return {name: plot for name, plot in plots.items() if plot}


def quantiles(lines, stage):
    return [Line(name, [(each["rate"], each["latency_ms"][stage][place]) for each in lines
                        if is_number(each["latency_ms"][stage][place])])
            for place, name in enumerate(("p50", "p99", "p99.9"))]


def is_number(value):
    return isinstance(value, (int, float))


def parts_lines(points):
    """A line for each part of the stack; `points` are (number, seconds by part)."""
    names = sorted({name for _, parts in points for name in parts})
    return [Line(name, [(at, parts[name]) for at, parts in points if name in parts]) for name in names]


def growth_plot(curve):
    points = curve["points"]
    stages = [Line(stage, [(point["value"], values[1]) for point in points
                           if is_number((values := point["latency_ms"][stage])[1])])
              for stage in points[0]["latency_ms"]]
    return draw(
        f"Growth with {curve['name']}, at {curve['rate']:,} ticks/s", curve["name"], [
            Panel("processor time of a million ticks, s",
                  parts_lines([(point["value"], point["processor"]) for point in points])),
            Panel("latency p99, ms", stages),
        ])
