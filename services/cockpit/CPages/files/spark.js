// A line over the last minutes beside a number, on a canvas. What was not measured is a hole.

import { prepared } from "./canvas.js";

const usual = 32;
// A line with a scale has its numbers at its right.
const scaleWide = 44;
const drawn = new WeakMap();
const dark = matchMedia("(prefers-color-scheme: dark)");

const widthOf = (line, width) => width - (line.scale ? scaleWide : 0);

// The number of the slot at this place of the line. `undefined`: nothing was measured there.
export function slotAt(canvas, line, x) {
  const last = line.slots - 1;
  const first = line.slots - line.values.length;
  const place = Math.round(x / Math.max(1, widthOf(line, canvas.clientWidth)) * last) - first;
  return line.values[place] === undefined ? undefined : place;
}

// `line` has the values, how many slots there may be, the least top of the picture and its bottom
// (0 if there is none), the value from which on it is late, what makes texts of the numbers of its
// scale, and the slot of the cursor. Nothing is drawn again that is the same.
export function drawSpark(canvas, line, isOld) {
  const whole = Math.max(60, canvas.clientWidth);
  const width = widthOf(line, whole);
  const key = [line.values, line.cursor, whole, isOld, dark.matches];
  const before = drawn.get(canvas);
  if (before && key.every((part, index) => part === before[index])) return;
  drawn.set(canvas, key);
  const { bottom = 0, tall = usual } = line;
  const { ink, color } = prepared(canvas, whole, tall);
  const known = line.values.filter((value) => value !== null);
  const top = Math.max(line.top, ...known);
  const most = bottom + (top - bottom) * 1.08 || 1;
  const first = line.slots - line.values.length;
  const x = (index) => (index + first) / (line.slots - 1) * width;
  const y = (value) => tall - 1 - (value - bottom) / (most - bottom || 1) * (tall - 3);
  ink.strokeStyle = color("line");
  ink.lineWidth = 1;
  ink.beginPath();
  ink.moveTo(0, tall - 0.5);
  ink.lineTo(width, tall - 0.5);
  ink.stroke();
  if (line.scale) {
    drawScale(ink, [line.scale(top), line.scale(bottom)], whole, tall, color("muted"));
  }
  if (line.limit < most) drawLimit(ink, width, y(line.limit), color("warning"));
  const own = color(isOld ? "muted" : "accent");
  for (const part of parts(line.values)) drawPart(ink, part, x, y, [tall, own]);
  if (line.cursor === undefined) return;
  ink.fillStyle = color("text");
  ink.fillRect(Math.round(x(line.cursor)), 0, 1, tall);
}

// The numbers at its top and its bottom, and a mark for each third of its time.
function drawScale(ink, [top, bottom], whole, tall, color) {
  ink.font = "11px system-ui, sans-serif";
  ink.fillStyle = color;
  ink.textAlign = "right";
  ink.fillText(top, whole, 9, scaleWide - 4);
  ink.fillText(bottom, whole, tall - 2, scaleWide - 4);
  ink.textAlign = "left";
  for (let part = 0; part < 3; part += 1) {
    ink.fillRect(Math.round(part / 3 * (whole - scaleWide)), tall - 4, 1, 4);
  }
}

function drawLimit(ink, width, y, color) {
  ink.strokeStyle = color;
  ink.setLineDash([4, 3]);
  ink.beginPath();
  ink.moveTo(0, Math.round(y) + 0.5);
  ink.lineTo(width, Math.round(y) + 0.5);
  ink.stroke();
  ink.setLineDash([]);
}

// The stretches without a hole, each of pairs of slot and value.
function parts(values) {
  const found = [[]];
  values.forEach((value, index) => {
    if (value !== null) found.at(-1).push([index, value]);
    else if (found.at(-1).length) found.push([]);
  });
  return found.filter((part) => part.length);
}

function drawPart(ink, part, x, y, [tall, color]) {
  ink.strokeStyle = color;
  ink.fillStyle = color;
  ink.lineWidth = 1.5;
  if (part.length === 1) return ink.fillRect(x(part[0][0]) - 1, y(part[0][1]) - 1, 2, 2);
  ink.beginPath();
  part.forEach(([index, value], place) => {
    if (place) ink.lineTo(x(index), y(value));
    else ink.moveTo(x(index), y(value));
  });
  ink.stroke();
  ink.lineTo(x(part.at(-1)[0]), tall);
  ink.lineTo(x(part[0][0]), tall);
  ink.globalAlpha = 0.12;
  ink.fill();
  ink.globalAlpha = 1;
}
