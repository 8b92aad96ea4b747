// Horizontal bars with names, on a canvas.

import { prepared } from "./canvas.js";

// More rows than people can see are left to the table.
const rowsMax = 24;
const row = 22;

// Each item is [name, value, text].
export function drawBars(canvas, items, isOld) {
  const shown = items.slice(0, rowsMax);
  const width = Math.max(280, canvas.clientWidth);
  const tall = Math.max(1, shown.length) * row + 4;
  const { ink, color } = prepared(canvas, width, tall);
  const names = Math.min(160, width * 0.4);
  const texts = 80;
  const most = Math.max(1, ...shown.map((item) => item[1]));
  shown.forEach(([name, value, text], index) => {
    const y = index * row;
    ink.fillStyle = color(isOld ? "muted" : "text");
    ink.fillText(name, 0, y + 15, names - 8);
    const wide = Math.max(1, (width - names - texts) * value / most);
    ink.fillStyle = color(isOld ? "muted" : name === "free" ? "good" : "accent");
    ink.fillRect(names, y + 4, wide, row - 8);
    ink.fillStyle = color(isOld ? "muted" : "text");
    ink.fillText(text, names + wide + 6, y + 15, texts - 8);
  });
}
