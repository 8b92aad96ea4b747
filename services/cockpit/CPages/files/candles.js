// The picture of the bars, on a canvas: candles with the versions that were replaced behind them,
// volumes below, and what was bid and asked. The document says where everything is.

import { prepared } from "./canvas.js";

const axis = 84;
const head = 20;
const prices = 280;
const volumes = 70;
const foot = 24;

const wideOf = (canvas) => Math.max(280, canvas.clientWidth) - axis;

// The newest bars are at the right edge, also where they are few.
const emptyOf = (chart) => (chart.live ? Math.max(0, chart.slots - chart.bars.length) : 0);

// The bar at this place of the canvas.
export function barAt(canvas, chart, x) {
  return chart.bars[Math.floor(x / wideOf(canvas) * chart.slots) - emptyOf(chart)];
}

export function drawCandles(canvas, chart, chosen, isOld) {
  const wide = wideOf(canvas);
  const tall = head + prices + volumes + foot;
  const { ink, color } = prepared(canvas, wide + axis, tall);
  const pen = {
    ink, color, isOld, slot: wide / chart.slots,
    x: (place) => (place + emptyOf(chart) / chart.slots) * wide,
    y: (height) => head + (1 - height) * prices,
  };
  drawAxes(pen, chart, wide);
  for (const side of ["bid_at", "ask_at"]) drawQuotes(pen, chart.bars, side);
  for (const bar of chart.bars) drawBar(pen, bar, bar === chosen);
}

function drawAxes(pen, chart, wide) {
  const { ink, color } = pen;
  ink.fillStyle = color("muted");
  ink.strokeStyle = color("line");
  ink.lineWidth = 0.5;
  for (const mark of chart.prices) {
    const y = Math.round(pen.y(mark.place)) + 0.5;
    ink.beginPath();
    ink.moveTo(0, y);
    ink.lineTo(wide, y);
    ink.stroke();
    ink.fillText(mark.text, wide + 6, y + 4, axis - 8);
  }
  const bottom = head + prices + volumes;
  ink.fillText(`vol. ${chart.volume_max}`, wide + 6, head + prices + 16, axis - 8);
  ink.strokeRect(0, head + prices + 0.5, wide, volumes);
  // What would be over the text before it is left to the table.
  let free = 0;
  for (const mark of chart.times) {
    const x = pen.x(mark.place);
    if (x < free) continue;
    ink.fillText(mark.text, x, bottom + 17);
    free = x + ink.measureText(mark.text).width + 12;
  }
}

// One side of the book: a line for each bar where it is known.
function drawQuotes(pen, bars, side) {
  const { ink, color } = pen;
  ink.strokeStyle = color(pen.isOld ? "muted" : "accent");
  ink.lineWidth = 1.2;
  ink.setLineDash([1, 2]);
  ink.beginPath();
  for (const bar of bars.filter((one) => one[side] !== undefined)) {
    const [x, y] = [pen.x(bar.place), pen.y(bar[side])];
    ink.moveTo(x - pen.slot / 2, y);
    ink.lineTo(x + pen.slot / 2, y);
  }
  ink.stroke();
  ink.setLineDash([]);
}

function drawBar(pen, bar, isChosen) {
  const { ink, color } = pen;
  const x = pen.x(bar.place);
  if (isChosen) {
    ink.strokeStyle = color("text");
    ink.lineWidth = 1;
    ink.strokeRect(x - pen.slot / 2, head - 1, pen.slot, prices + volumes + 2);
  }
  for (const ghost of bar.ghosts) drawGhost(pen, x, ghost);
  drawCandle(pen, x, bar);
  ink.fillStyle = color(pen.isOld ? "muted" : "accent");
  const volume = bar.volume_part * (volumes - 4);
  const half = Math.max(0.5, pen.slot * 0.3);
  ink.fillRect(x - half, head + prices + volumes - volume, half * 2, volume);
  ink.textAlign = "center";
  ink.fillStyle = color("text");
  const sign = bar.withdrawn ? "✕" : bar.version > 1 ? "◆" : "";
  if (sign) ink.fillText(sign, x, head - 6);
  if (bar.partial) ink.fillText("▲", x, head + prices - 3);
  ink.textAlign = "left";
}

// A rising candle is an outline, a falling one is full; one that did not move is a line. The
// colours say the same again.
function drawCandle(pen, x, bar) {
  if (!bar.shape || bar.withdrawn) return;
  const { ink, color } = pen;
  const [open, high, low, close] = bar.shape.map(pen.y);
  const half = Math.max(0.5, pen.slot * 0.3);
  const top = Math.min(open, close);
  const tall = Math.max(1, Math.abs(open - close));
  const own = pen.isOld ? "muted" : close < open ? "good" : close > open ? "bad" : "text";
  ink.strokeStyle = color(own);
  ink.fillStyle = color(close < open ? "ground" : own);
  ink.lineWidth = 1.2;
  ink.beginPath();
  ink.moveTo(x, high);
  ink.lineTo(x, low);
  ink.stroke();
  ink.fillRect(x - half, top, half * 2, tall);
  ink.strokeRect(x - half, top, half * 2, tall);
}

// A version that was replaced is wider than a candle and dashed, and has no body.
function drawGhost(pen, x, ghost) {
  if (!ghost.shape) return;
  const { ink, color } = pen;
  const [open, high, low, close] = ghost.shape.map(pen.y);
  const half = Math.max(1.5, pen.slot * 0.45);
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
}
