// The picture of the gaps, on a canvas: a row per symbol, source and cause.

import { prepared } from "./canvas.js";
import { isLocal, timeOf } from "./clock.js";

// More rows than people can see are left to the table.
const rowsMax = 40;
const row = 22;
const names = 220;

export function drawTimeline(canvas, gaps, from, to, isOld) {
  const rows = new Map();
  for (const gap of gaps) {
    for (const symbol of gap.symbols) {
      const name = `${symbol} ${gap.source}: ${gap.reason}`;
      if (!rows.has(name)) rows.set(name, []);
      rows.get(name).push(gap);
    }
  }
  const shown = [...rows.keys()].sort().slice(0, rowsMax);
  const width = Math.max(320, canvas.clientWidth);
  const tall = (shown.length + 1) * row + 8;
  const { ink, color } = prepared(canvas, width, tall);
  const part = (time) => Math.min(1, Math.max(0, (time - from) / (to - from)));
  const x = (time) => names + (width - names - 4) * part(time);
  ink.fillStyle = color("muted");
  const clock = (time) => timeOf(time).slice(5, 16);
  if (to > from && shown.length) {
    ink.fillText(clock(from), names, 14);
    ink.textAlign = "right";
    ink.fillText(`${clock(to)} ${isLocal() ? "local" : "UTC"}`, width - 4, 14);
    ink.textAlign = "left";
  }
  shown.forEach((name, index) => {
    const y = (index + 1) * row;
    ink.fillStyle = isOld ? color("muted") : color("text");
    ink.fillText(name, 0, y + 15, names - 8);
    ink.strokeStyle = color("line");
    ink.lineWidth = 0.5;
    ink.strokeRect(names, y + 3, width - names - 4, row - 6);
    for (const gap of rows.get(name)) bar(ink, gap, x, y, to, isOld, color);
  });
}

// What will never come is full, what may still come is an outline.
function bar(ink, gap, x, y, to, isOld, color) {
  const left = x(gap.from);
  const wide = Math.max(3, x(gap.to === undefined ? to : gap.to) - left);
  const name = isOld ? "muted" : gap.outlook === "never" ? "bad" : "warning";
  const ownColor = color(name);
  ink.fillStyle = ownColor;
  ink.strokeStyle = ownColor;
  if (gap.outlook === "never") ink.fillRect(left, y + 4, wide, row - 8);
  else {
    ink.lineWidth = 2;
    ink.setLineDash(gap.outlook === "filling" ? [3, 2] : []);
    ink.strokeRect(left + 1, y + 5, Math.max(1, wide - 2), row - 10);
    ink.setLineDash([]);
  }
}
