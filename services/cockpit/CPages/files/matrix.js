// Pictures of rows and columns, on a canvas: the partitions, with the part of the ticks that each
// has below them, and how old the newest ticks are.

import { prepared } from "./canvas.js";
import { isLate } from "./edges.js";

// More rows than people can see are left to the table.
const rowsMax = 64;
const row = 20;
const bars = 48;
// A column of a few is not wider.
const wideMax = 160;

// Each line is { title } or { name, cells: [{ column, form, color }] }. A form is a part of
// the height from 0 to 1, or "gap", "outline", "cross" or "none". `heads` are names of
// columns. Returns what is needed to draw into the room below the lines.
export function drawGrid(canvas, lines, columns, { heads = [], below = 0 } = {}) {
  const width = Math.max(280, canvas.clientWidth);
  const names = Math.min(180, width * 0.4);
  const shown = lines.slice(0, rowsMax);
  const top = heads.length ? row : 0;
  const tall = top + shown.length * row + below + 8;
  const { ink, color } = prepared(canvas, width, tall);
  const wide = Math.min(wideMax, (width - names - 4) / Math.max(1, columns));
  ink.fillStyle = color("muted");
  heads.forEach((head, column) => {
    ink.fillText(head, names + column * wide, 15, Math.max(1, wide - 4));
  });
  shown.forEach((line, index) => {
    const y = top + index * row;
    ink.fillStyle = color(line.title ? "muted" : "text");
    if (line.title) return ink.fillText(line.title, 0, y + 15, width);
    ink.fillText(line.name, 8, y + 15, names - 16);
    for (const cell of line.cells) {
      drawCell(ink, cell, names + cell.column * wide, y, Math.max(1, wide - 2), color);
    }
  });
  return { ink, color, names, wide, top: top + shown.length * row };
}

// Forms differ without their colours.
function drawCell(ink, { form, color: name }, x, y, size, color) {
  const height = row - 8;
  ink.strokeStyle = color("line");
  ink.lineWidth = 0.5;
  ink.strokeRect(x, y + 4, size, height);
  if (form === "none") return;
  ink.fillStyle = color(name);
  ink.strokeStyle = color(name);
  if (form === "outline") {
    ink.lineWidth = 2;
    ink.strokeRect(x + 1, y + 5, Math.max(1, size - 2), height - 2);
  } else if (form === "cross") {
    ink.lineWidth = 1;
    ink.beginPath();
    ink.moveTo(x, y + 4);
    ink.lineTo(x + size, y + 4 + height);
    ink.moveTo(x + size, y + 4);
    ink.lineTo(x, y + 4 + height);
    ink.stroke();
  } else if (form === "gap") {
    ink.fillRect(x, y + 4, size, 3);
    ink.fillRect(x, y + row - 7, size, 3);
  } else {
    const tall = Math.max(1, height * form);
    ink.fillRect(x, y + 4 + height - tall, size, tall);
  }
}

export function drawMatrix(canvas, groups, shares, isStale) {
  const lines = [];
  for (const group of groups) {
    lines.push({ title: `${group.name} (${group.partitions})` });
    for (const member of group.members) {
      lines.push({ name: member.name, cells: cells(member, group, isStale) });
    }
  }
  const count = Math.max(1, ...groups.map((group) => group.partitions));
  const place = drawGrid(canvas, lines, count, { below: shares.size ? bars + row : 0 });
  if (shares.size) drawShares(place, shares, isStale);
}

// What a live process holds is full; what is behind has a gap in its middle; where
// its lag is not known it is half full; what a silent one held is an outline.
function cells(member, group, isStale) {
  const isOld = isStale(member);
  const held = new Set(member.held);
  return group.rows.map(({ partition, lag }) => {
    if (!held.has(partition)) return { column: partition, form: "none" };
    if (isOld) return { column: partition, form: "outline", color: "muted" };
    if (lag && isStale(lag)) return { column: partition, form: 0.5, color: "unknown" };
    if (lag && isLate(lag)) return { column: partition, form: "gap", color: "warning" };
    return { column: partition, form: 1, color: "good" };
  });
}

function drawShares({ ink, color, names, wide, top }, shares, isStale) {
  const most = Math.max(0.0001, ...[...shares.values()].map((share) => share.part));
  ink.fillStyle = color("muted");
  ink.fillText("share of the ticks", 0, top + 15, names - 8);
  for (const share of shares.values()) {
    const tall = bars * share.part / most;
    const name = isStale(share) ? "muted" : share.hot ? "warning" : "accent";
    ink.fillStyle = color(name);
    const x = names + share.partition * wide;
    ink.fillRect(x, top + 4 + bars - tall, Math.max(1, wide - 2), tall);
    if (share.hot && wide >= 10) ink.fillText("▲", x, top + 18 + bars, wide);
  }
}
