// The picture of a tick's way, on a canvas.

import { prepared } from "./canvas.js";

const columns = ["tape: ticks", "operator", "tape: bars", "", "database"];
const storeColumn = 3;
const height = { box: 44, gap: 26, top: 16 };

function place(name, sources, stores, others, width) {
  const step = width / (columns.length + 1);
  const store = stores.indexOf(name);
  const column = store >= 0 ? storeColumn : columns.indexOf(name);
  const row = height.box + height.gap;
  const middle = height.top + (Math.max(1, sources.length) - 1) / 2 * row;
  const down = Math.max(0, store) * row;
  if (column >= 0) return { x: step * (column + 1), y: middle + down, w: step * 0.5 };
  const source = sources.indexOf(name);
  const number = source >= 0 ? source : sources.length + others.indexOf(name);
  const x = source >= 0 ? 0 : step * 2;
  return { x, y: height.top + number * row, w: step * 0.5 };
}

function box(ink, name, at, colors) {
  ink.fillStyle = colors.panel;
  ink.strokeStyle = colors.line;
  ink.setLineDash([]);
  ink.lineWidth = 1;
  ink.fillRect(at.x, at.y, at.w, height.box);
  ink.strokeRect(at.x + 0.5, at.y + 0.5, at.w - 1, height.box - 1);
  ink.fillStyle = colors.text;
  ink.textAlign = "center";
  ink.fillText(name, at.x + at.w / 2, at.y + height.box / 2 + 5, at.w - 8);
}

// What is not alive is dashed and grey, so that its state does not depend on a colour.
function arrow(ink, from, to, edge, label, colors) {
  const [x1, y1] = [from.x + from.w, from.y + height.box / 2];
  const [x2, y2] = [to.x, to.y + height.box / 2];
  const color = { flows: colors.good, behind: colors.warning }[edge.state] || colors.muted;
  ink.strokeStyle = color;
  ink.fillStyle = color;
  ink.lineWidth = 2;
  ink.setLineDash(edge.state === "flows" ? [] : edge.state === "behind" ? [8, 3] : [2, 4]);
  ink.beginPath();
  ink.moveTo(x1, y1);
  ink.lineTo(x2 - 6, y2);
  ink.stroke();
  ink.setLineDash([]);
  ink.beginPath();
  ink.moveTo(x2, y2);
  ink.lineTo(x2 - 8, y2 - 5);
  ink.lineTo(x2 - 8, y2 + 5);
  ink.fill();
  ink.textAlign = "center";
  // Beside a slanting line, on the side from which it comes.
  const y = y1 > y2 ? y1 + 18 : y1 - 8;
  ink.fillText(label, (x1 + x2) / 2, y, Math.max(20, x2 - x1 - 4));
}

// The writer reads ticks and bars, so the line from the tape ends at two boxes.
const start = { tape: "tape: bars" };

export function drawGraph(canvas, edges, symbols, rate) {
  const sources = edges.filter((edge) => edge.id.startsWith("source:"))
    .map((edge) => edge.from);
  const stores = edges.filter((edge) => /^reader:store(-|$)/.test(edge.id))
    .map((edge) => edge.to);
  const others = edges.map((edge) => edge.to)
    .filter((name) => !columns.includes(name) && !stores.includes(name));
  const rows = Math.max(
    1, sources.length + others.length, Math.ceil(sources.length / 2) + stores.length);
  const width = Math.max(320, canvas.clientWidth);
  const tall = height.top * 2 + rows * (height.box + height.gap);
  const { ink, color } = prepared(canvas, width, tall);
  const names = ["good", "warning", "muted", "panel", "line", "text"];
  const colors = Object.fromEntries(names.map((name) => [name, color(name)]));
  const at = (name) => place(name, sources, stores, others, width);
  for (const edge of edges) {
    const from = at(start[edge.from] || edge.from);
    const label = symbols[edge.state]
      + (["flows", "behind"].includes(edge.state) && edge.rate !== undefined
        ? ` ${rate(edge)}` : "");
    const begin = others.includes(edge.to) ? at("tape: ticks") : from;
    arrow(ink, begin, at(edge.to), edge, label, colors);
  }
  for (const name of [...sources, ...columns, ...stores, ...others]) {
    if (name) box(ink, name, at(name), colors);
  }
}
