// The numbers of the first page, each with its line over the last 15 minutes, and one cursor over
// all lines. A number is as its steps are, and has the limit from which on it is late beside it.

import { age, ago, isStale, put, element, resized, wallNow } from "./live.js";
import { drawSpark, slotAt } from "./spark.js";
import { timeOf } from "./clock.js";
import { lateAfter, stateOf, symbols } from "./edges.js";
import { floorOf } from "./scale.js";

// The least top of a line: what is below it is no movement. Room has a natural one.
const tops = { ticks: 1, bars: 1, stored: 1, operators: 1, writers: 1, commit: 1, room: 100 };
const units = { operators: " s", writers: " s", commit: " s", room: " %" };
// Of these a change is to be seen; of others how far from 0 they are.
const rates = ["ticks", "bars", "stored"];
const limits = { operators: lateAfter, writers: lateAfter };
// The steps of which a number speaks, by their ids.
const ofStores = /^reader:store(-|$)/;
const steps = { ticks: /^source:/, bars: /^bars$/, stored: ofStores, operators: /^reader:operator$/,
  writers: ofStores, commit: /^database$/ };
const state = { lines: {}, figures: [], look: null, cursor: undefined };

// How the worst of these steps is: "dead", "behind", or "" if nothing is wrong.
function stateIs({ name, line, value }, isOld) {
  const { edges, verdict } = state.look;
  const isWrong = name === "Gaps open" ? value && value !== "0"
    : line === "room" && verdict.some(({ runbook }) => runbook === "TapeRoom");
  if (isWrong && !isOld) return "behind";
  const own = steps[line];
  const found = own ? edges.filter(({ id }) => own.test(id)).map((edge) => stateOf(edge)[0]) : [];
  // A number of the stores is known when all that are needed live.
  const isSpare = own === ofStores && value !== undefined;
  if (found.includes("dead") && !isSpare) return "dead";
  return found.includes("behind") ? "behind" : "";
}

function box() {
  const own = document.createElement("div");
  own.append(...["dt", "dd", "dd"].map((tag) => document.createElement(tag)));
  return own;
}

// The canvas of a box whose number has a line.
function canvasOf(own, hasLine) {
  const found = own.querySelector("canvas");
  if (!hasLine) {
    if (found) found.parentElement.remove();
    return null;
  }
  if (found) return found;
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  const place = document.createElement("dd");
  place.append(canvas);
  own.append(place);
  return canvas;
}

function lineOf(name) {
  const { lines, slots } = state.lines;
  if (!name || !lines || !lines[name]) return null;
  const values = lines[name];
  return { values, slots, top: tops[name], cursor: state.cursor, limit: limits[name],
    bottom: rates.includes(name) ? floorOf(values) : 0,
    scale: (value) => number(value < 100 ? value : Math.round(value)) + (units[name] || "") };
}

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 2 });

function words(name, line) {
  const known = line.values.filter((value) => value !== null);
  if (!known.length) return "The last 15 minutes: nothing was measured";
  const unit = units[name] || "";
  return `The last 15 minutes: from ${number(Math.min(...known))} to ${
    number(Math.max(...known))}${unit}`;
}

// What the line had at the cursor.
function past(name, line) {
  const value = line.values[line.cursor];
  const back = (line.values.length - line.cursor - 0.5) * state.lines.every;
  const time = timeOf(wallNow() - age(state.lines.at) - back).slice(11);
  return `${time}: ${value === null ? "not known" : number(value) + (units[name] || "")}`;
}

function showFigure(own, figure) {
  const [name, value, measured] = own.children;
  const isOld = isStale(figure);
  const isKnown = figure.value !== undefined;
  const step = stateIs(figure, isOld);
  const kind = [isOld || !isKnown ? "stale" : "", step && `step-${step}`].filter(Boolean).join(" ");
  if (own.className !== kind) own.className = kind;
  put(name, figure.name);
  const text = isKnown ? figure.value + (isOld ? " (old)" : "") : "not known";
  put(value, step ? `${symbols[step]} ${text}` : text, `value ${step}`.trim());
  const line = lineOf(figure.line);
  const limit = limits[figure.line];
  put(measured, line && line.cursor !== undefined ? past(figure.line, line)
    : limit ? `${ago(figure.at)}, late from ${limit} s` : `measured ${ago(figure.at)}`);
  const canvas = canvasOf(own, figure.line !== undefined);
  if (!canvas) return;
  const drawn = line || { values: [], slots: 2, top: 1 };
  const label = line ? words(figure.line, line) : "The last 15 minutes: not known";
  if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  drawSpark(canvas, drawn, isOld || isStale(state.lines));
}

function show() {
  const boxes = resized(element("figures"), state.figures.length, box);
  state.figures.forEach((figure, index) => showFigure(boxes[index], figure));
}

// `look` is the newest one, or nothing, and `lines` the document of the lines, or an empty one.
export function showFigures(look, lines) {
  [state.look, state.figures, state.lines] = [look, look ? look.figures : [], lines];
  show();
}

// The same moment in all lines.
export function watchCursor() {
  const place = (event) => {
    const canvas = event.target instanceof HTMLCanvasElement ? event.target : null;
    const values = state.lines.lines && Object.values(state.lines.lines)[0];
    state.cursor = canvas && values
      ? slotAt(canvas, { values, slots: state.lines.slots, scale: number }, event.offsetX)
      : undefined;
    show();
  };
  element("figures").addEventListener("pointermove", place);
  element("figures").addEventListener("pointerleave", place);
}
