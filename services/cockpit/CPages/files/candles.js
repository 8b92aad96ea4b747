// The picture of the bars, on a canvas: candles with the versions that were replaced behind them,
// volumes below, what was bid and asked, the time of gaps, the last price and the cursor.

import { prepared } from "./canvas.js";
import { timeOf } from "./clock.js";
import { keyOf } from "./bar-cache.js";
import { percent } from "./overlay.js";
import { decimalsOf, priceMarks, priceText, timeMarks } from "./scale.js";
import { placeOfTime, pricesOf, valuesOf } from "./view.js";

const axis = 76;
// The values of a bar, and below them the signs of all.
const head = 38;
const volumes = 72;
const foot = 24;

const wideOf = (canvas) => Math.max(280, canvas.clientWidth) - axis;
const tallOf = (canvas) => (canvas.clientWidth < 640 ? 260 : 380);
// The newest bars are at the right edge, also where they are few.
const emptyOf = (picture) => (picture.live ? Math.max(0, picture.count - picture.shown.length) : 0);

// The number of the shown place that is at this x of the canvas.
export function placeAt(canvas, picture, x) {
  const place = Math.floor(x / wideOf(canvas) * picture.count) - emptyOf(picture);
  return place >= 0 && place < picture.shown.length ? place : undefined;
}

// How wide a place is.
export const slotOf = (canvas, picture) => wideOf(canvas) / picture.count;

// A picture has the shown places, how many there is room for, the range of prices, the gaps, the
// last price, what is over it, the cursor ({ place, y }), the key of the chosen bar, and whether it
// is old.
export function drawCandles(canvas, picture) {
  const [wide, prices] = [wideOf(canvas), tallOf(canvas)];
  const { ink, color } = prepared(canvas, wide + axis, head + prices + volumes + foot);
  ink.fillStyle = color("ground");
  ink.fillRect(0, 0, wide + axis, head + prices + volumes + foot);
  const range = picture.range || { low: 0, high: 1 };
  const pen = {
    ink, color, wide, prices, range, isOld: picture.isOld, slot: wide / picture.count,
    bottom: head + prices + volumes,
    x: (place) => (place + emptyOf(picture)) * (wide / picture.count),
    y: (price) => head + (1 - (price - range.low) / (range.high - range.low)) * prices,
  };
  if (picture.range) drawPrices(pen, picture);
  drawTimes(pen, picture.shown);
  for (const gap of picture.gaps) drawGap(pen, picture.shown, gap);
  for (const side of ["bid", "ask"]) drawQuotes(pen, picture.shown, side);
  const most = Math.max(0, ...picture.shown.map(({ bar }) => (bar ? Number(bar.volume) : 0)));
  if (most) drawMost(pen, most);
  picture.shown.forEach(({ bar }, place) => {
    if (bar) drawBar(pen, bar, pen.x(place + 0.5), most, keyOf(bar) === picture.chosen);
  });
  if (picture.range && picture.over) drawOver(pen, picture.over);
  const newest = picture.shown.at(-1);
  if (newest && newest.forming) drawForming(pen, newest.forming, picture.shown.length - 0.5);
  if (picture.range && picture.last) drawLast(pen, picture.last);
  drawValues(pen, valuesOf(picture));
  if (picture.cursor) drawCursor(pen, picture);
}

function across(pen, y, from = 0) {
  pen.ink.beginPath();
  pen.ink.moveTo(from, Math.round(y) + 0.5);
  pen.ink.lineTo(pen.wide, Math.round(y) + 0.5);
  pen.ink.stroke();
}

// All prices at the axis have the decimals of the last one.
function drawPrices(pen, { last, shown }) {
  const { ink, color } = pen;
  ink.strokeStyle = color("line");
  ink.fillStyle = color("muted");
  ink.lineWidth = 1;
  const { bar } = shown.at(-1) || {};
  const decimals = decimalsOf(last ? last.text : bar && bar.close);
  for (const mark of priceMarks(pen.range, pen.prices / 48, decimals)) {
    const y = pen.y(mark.price);
    across(pen, y);
    ink.fillText(mark.text, pen.wide + 8, y + 4, axis - 10);
  }
  across(pen, head + pen.prices);
  ink.beginPath();
  ink.moveTo(pen.wide + 0.5, head);
  ink.lineTo(pen.wide + 0.5, pen.bottom);
  ink.stroke();
}

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 3 });

// What the highest of the volumes is.
function drawMost({ ink, color, wide, prices }, most) {
  ink.fillStyle = color("muted");
  ink.fillText(`max ${number(most)}`, wide + 8, head + prices + 17, axis - 10);
}

// The values of a bar in its colour, and how it changed, which the colour says again.
function drawValues({ ink, color, wide, isOld }, values) {
  if (!values) return;
  const { open, close, text, volume } = values;
  const change = open > 0 ? `  ${percent(close / open - 1)}` : "";
  const traded = Number.isFinite(volume) ? `  V ${number(volume)}` : "";
  ink.fillStyle = color(isOld ? "muted" : wayOf(open, close));
  ink.fillText(text + change + traded, 0, 14, wide + axis);
}

// Round times; the day where it changes.
function drawTimes(pen, shown) {
  const { ink, color } = pen;
  ink.fillStyle = color("muted");
  ink.strokeStyle = color("line");
  const isFine = shown.length && shown[0].to - shown[0].from < 60;
  let day = "";
  for (const place of timeMarks(shown, Math.ceil(84 / pen.slot))) {
    const x = pen.x(place);
    const [date, clock] = timeOf(shown[place].from).split(" ");
    const text = date !== day && day ? date.slice(5) : clock.slice(0, isFine ? 8 : 5);
    day = date;
    ink.beginPath();
    ink.moveTo(Math.round(x) + 0.5, head);
    ink.lineTo(Math.round(x) + 0.5, pen.bottom + 5);
    ink.stroke();
    ink.fillText(text, x + 4, pen.bottom + 17);
  }
}

// The time of a gap is hatched, whether it has places of its own or not.
function drawGap(pen, shown, gap) {
  if (!shown.length || gap.from >= shown.at(-1).to) return;
  if (gap.to !== undefined && gap.to <= shown[0].from) return;
  const left = pen.x(placeOfTime(shown, gap.from));
  const right = pen.x(gap.to === undefined ? shown.length : placeOfTime(shown, gap.to));
  const wide = Math.max(3, right - left);
  const { ink, color } = pen;
  ink.save();
  ink.beginPath();
  ink.rect(left, head, wide, pen.bottom - head);
  ink.clip();
  ink.strokeStyle = color(pen.isOld ? "muted" : gap.outlook === "never" ? "bad" : "warning");
  ink.globalAlpha = 0.45;
  ink.lineWidth = 1;
  ink.beginPath();
  for (let x = left - (pen.bottom - head); x < left + wide; x += 7) {
    ink.moveTo(x, pen.bottom);
    ink.lineTo(x + pen.bottom - head, head);
  }
  ink.stroke();
  ink.restore();
}

// One side of the book: a line for each bar where it is known.
function drawQuotes(pen, shown, side) {
  const { ink, color } = pen;
  ink.strokeStyle = color(pen.isOld ? "muted" : "accent");
  ink.lineWidth = 1.2;
  ink.setLineDash([1, 2]);
  ink.beginPath();
  shown.forEach(({ bar }, place) => {
    const price = bar && bar[side] !== undefined ? Number(bar[side]) : NaN;
    if (!(price >= pen.range.low && price <= pen.range.high)) return;
    ink.moveTo(pen.x(place), pen.y(price));
    ink.lineTo(pen.x(place + 1), pen.y(price));
  });
  ink.stroke();
  ink.setLineDash([]);
}

const wayOf = (open, close) => (close > open ? "rise" : close < open ? "fall" : "text");

function drawBar(pen, bar, x, most, isChosen) {
  const { ink, color } = pen;
  if (isChosen) {
    ink.fillStyle = color("raised");
    ink.fillRect(x - pen.slot / 2, head, pen.slot, pen.bottom - head);
  }
  for (const ghost of bar.ghosts) drawGhost(pen, x, ghost);
  const prices = pricesOf(bar);
  const own = prices ? wayOf(prices.open, prices.close) : "muted";
  if (prices) drawCandle(pen, x, prices, pen.isOld ? "muted" : own);
  ink.fillStyle = color(pen.isOld ? "muted" : own);
  ink.globalAlpha = 0.55;
  const half = Math.max(0.5, pen.slot * 0.35);
  const tall = most ? Number(bar.volume) / most * (volumes - 8) : 0;
  ink.fillRect(x - half, pen.bottom - tall, half * 2, tall);
  ink.globalAlpha = 1;
  ink.textAlign = "center";
  ink.fillStyle = color("text");
  const sign = bar.withdrawn ? "✕" : bar.version > 1 ? "◆" : "";
  if (sign) ink.fillText(sign, x, head - 6);
  if (bar.partial) ink.fillText("▲", x, head + pen.prices - 3);
  ink.textAlign = "left";
}

// A rising candle is an outline, a falling one is full; one that did not move is a line. The
// colours say the same again.
function drawCandle(pen, x, { open, high, low, close }, name) {
  const { ink, color } = pen;
  const half = Math.max(0.5, pen.slot * 0.35);
  const top = pen.y(Math.max(open, close));
  const tall = Math.max(1, Math.abs(pen.y(open) - pen.y(close)));
  ink.strokeStyle = color(name);
  ink.fillStyle = color(close > open ? "ground" : name);
  ink.lineWidth = 1.2;
  ink.beginPath();
  ink.moveTo(x, pen.y(high));
  ink.lineTo(x, pen.y(low));
  ink.stroke();
  ink.fillRect(x - half, top, half * 2, tall);
  ink.strokeRect(x - half, top, half * 2, tall);
}

// What was seen of the bar that is not closed yet: a thinner candle, dashed.
function drawForming(pen, forming, place) {
  const { ink, color } = pen;
  const x = pen.x(place);
  const half = Math.max(0.5, pen.slot * 0.25);
  ink.strokeStyle = color(pen.isOld ? "muted" : wayOf(forming.open, forming.close));
  ink.lineWidth = 1.2;
  ink.setLineDash([2, 2]);
  ink.beginPath();
  ink.moveTo(x, pen.y(forming.high));
  ink.lineTo(x, pen.y(forming.low));
  ink.stroke();
  const top = pen.y(Math.max(forming.open, forming.close));
  const tall = Math.max(1, Math.abs(pen.y(forming.open) - pen.y(forming.close)));
  ink.strokeRect(x - half, top, half * 2, tall);
  ink.setLineDash([]);
}

// A version that was replaced is wider than a candle and dashed, and has no body. Where it is
// beyond the prices an arrow says so.
function drawGhost(pen, x, ghost) {
  const prices = pricesOf(ghost);
  if (!prices) return;
  const { ink, color } = pen;
  const half = Math.max(1.5, pen.slot * 0.48);
  const [top, end] = [head, head + pen.prices];
  const [open, high, low, close] = ["open", "high", "low", "close"].map((name) =>
    Math.min(end, Math.max(top, pen.y(prices[name]))));
  ink.strokeStyle = color("muted");
  ink.lineWidth = 1.2;
  ink.setLineDash([3, 2]);
  ink.strokeRect(
    x - half, Math.min(open, close), half * 2, Math.max(1, Math.abs(open - close)));
  ink.beginPath();
  for (const side of [-half, half]) {
    ink.moveTo(x + side, high);
    ink.lineTo(x + side, low);
  }
  ink.stroke();
  ink.setLineDash([]);
  ink.fillStyle = color("muted");
  ink.textAlign = "center";
  if (prices.high > pen.range.high) ink.fillText("↑", x + half + 6, top + 12);
  if (prices.low < pen.range.low) ink.fillText("↓", x + half + 6, end - 4);
  ink.textAlign = "left";
}

// A text in a box at the axis of the prices, or at that of the times.
function label(pen, text, x, y, ground, words) {
  const { ink, color } = pen;
  const wide = ink.measureText(text).width + 8;
  ink.fillStyle = color(ground);
  ink.fillRect(x, y - 9, wide, 18);
  ink.fillStyle = color(words);
  ink.fillText(text, x + 4, y + 4);
}

// A line of closes, with its name and change at its end.
function drawOver(pen, over) {
  const last = over.points.at(-1);
  if (!last) return;
  const { ink, color } = pen;
  ink.strokeStyle = color(over.isOld ? "muted" : "quiet");
  ink.lineWidth = 2;
  ink.beginPath();
  over.points.forEach(({ place, price }, index) => {
    const isNext = index && over.points[index - 1].place === place - 1;
    if (isNext) ink.lineTo(pen.x(place + 0.5), pen.y(price));
    else ink.moveTo(pen.x(place + 0.5), pen.y(price));
  });
  ink.stroke();
  const text = `${over.name} ${percent(over.change ?? 0)}`;
  const x = Math.max(0, pen.x(last.place + 1) - ink.measureText(text).width - 8);
  const y = Math.max(head + 10, pen.y(last.price) - 16);
  label(pen, text, x, y, "raised", over.isOld ? "muted" : "quiet");
}

function drawLast(pen, last) {
  if (!(last.price >= pen.range.low && last.price <= pen.range.high)) return;
  const name = pen.isOld || last.isOld ? "muted" : last.way;
  const { ink, color } = pen;
  ink.strokeStyle = color(name);
  ink.lineWidth = 1;
  ink.setLineDash([4, 3]);
  across(pen, pen.y(last.price));
  ink.setLineDash([]);
  ink.fillStyle = color(name);
  ink.fillRect(pen.wide, Math.round(pen.y(last.price)), 4, 1);
  label(pen, last.text, pen.wide + 4, pen.y(last.price), name, "ground");
}

function drawCursor(pen, { cursor, shown }) {
  const { ink, color } = pen;
  const x = pen.x(cursor.place + 0.5);
  ink.strokeStyle = color("muted");
  ink.lineWidth = 1;
  ink.setLineDash([2, 3]);
  ink.beginPath();
  ink.moveTo(Math.round(x) + 0.5, head);
  ink.lineTo(Math.round(x) + 0.5, pen.bottom);
  ink.stroke();
  const isAmongPrices = cursor.y !== undefined && cursor.y >= head
    && cursor.y <= head + pen.prices;
  if (isAmongPrices) across(pen, cursor.y);
  ink.setLineDash([]);
  if (isAmongPrices) {
    const part = 1 - (cursor.y - head) / pen.prices;
    const price = pen.range.low + part * (pen.range.high - pen.range.low);
    label(pen, priceText(price, pen.range), pen.wide + 4, cursor.y, "raised", "text");
  }
  const time = timeOf(shown[cursor.place].from);
  const wide = ink.measureText(time).width + 8;
  label(pen, time, Math.min(Math.max(0, x - wide / 2), pen.wide - wide), pen.bottom + 13,
    "raised", "text");
}
