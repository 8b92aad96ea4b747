// The picture of the gaps, on a canvas: a row per symbol, source and cause.

import { prepared } from "./canvas.js";
import { isLocal, marksText, timeOf } from "./clock.js";
import { timesBetween } from "./scale.js";

// More rows than people can see are left to the table.
const rowsMax = 40;
const row = 22;
const names = 220;
const end = 4;
// So far from each other are two times.
const marksWide = 110;

// `cursor` is a place in the canvas, or undefined.
export function drawTimeline(canvas, gaps, { from, to, cursor }, isOld) {
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
  const wide = width - names - end;
  const x = (time) => names + wide * part(time);
  const hasTimes = to > from && shown.length > 0;
  if (hasTimes) drawTimes({ ink, color, x, tall }, { from, to, wide });
  shown.forEach((name, index) => {
    const y = (index + 1) * row;
    ink.fillStyle = isOld ? color("muted") : color("text");
    ink.fillText(name, 0, y + 15, names - 8);
    ink.strokeStyle = color("line");
    ink.lineWidth = 0.5;
    ink.strokeRect(names, y + 3, wide, row - 6);
    for (const gap of rows.get(name)) bar(ink, gap, x, y, to, isOld, color);
  });
  if (hasTimes && cursor >= names && cursor <= names + wide) {
    drawCursor({ ink, color, width, tall }, cursor, from + (cursor - names) / wide * (to - from));
  }
}

// Round times, and a thin line at each.
function drawTimes({ ink, color, x, tall }, { from, to, wide }) {
  ink.fillStyle = color("muted");
  ink.fillText(isLocal() ? "local" : "UTC", 0, 14);
  const times = timesBetween(from, to, (to - from) * marksWide / Math.max(marksWide, wide));
  marksText(times).forEach((text, index) => {
    const place = Math.round(x(times[index]));
    ink.fillStyle = color("line");
    ink.fillRect(place, 4, 1, tall);
    ink.fillStyle = color("muted");
    if (place + ink.measureText(text).width + 4 < names + wide) ink.fillText(text, place + 4, 14);
  });
}

function drawCursor({ ink, color, width, tall }, place, time) {
  const text = timeOf(time);
  const wide = ink.measureText(text).width + 8;
  const left = Math.min(place, width - wide);
  ink.fillStyle = color("raised");
  ink.fillRect(left, 0, wide, 19);
  ink.fillStyle = color("text");
  ink.fillRect(Math.round(place), 0, 1, tall);
  ink.fillText(text, left + 4, 14);
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
