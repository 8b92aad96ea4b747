// The second page: what is missing, why, and whether it will come.

import { start, age, span, put, doubt, element } from "./live.js";
import { fill } from "./table.js";
import { drawTimeline } from "./timeline.js";
import { GapList } from "./gap-list.js";

const range = element("range");
const symbol = element("symbol");
const marks = { lasts: "▶", waits: "▲", filling: "◌", never: "✕", elsewhere: "⇄" };
let newest = null;
const day = 86400;
// More names than a row has room for are counted.
const shownMax = 8;
const list = new GapList();
let cursor;
let drawAgain = () => {};

const time = (value) => new Date(value * 1000).toISOString().slice(0, 19) + "Z";

// Those of the last day are shown if nothing is chosen, and if there are none, all.
function chosen(look) {
  const now = Date.parse(look.time) / 1000;
  const wanted = symbol.value.trim().toUpperCase();
  const own = list.items.filter((gap) => (gap.symbol || "").toUpperCase().startsWith(wanted));
  const since = (from) => own.filter((gap) => gap.to === undefined || gap.to >= from);
  const isFree = range.value === "fit";
  const found = since(isFree ? now - day : Number(range.value) ? now - Number(range.value) : 0);
  return joined(isFree && !found.length ? own : found);
}

// One outage is one row, whatever symbols and kinds it has.
function joined(gaps) {
  const rows = new Map();
  for (const gap of gaps) {
    const end = gap.to === undefined ? "" : Math.floor(gap.to);
    const key = [gap.source, Math.floor(gap.from), end, gap.reason, gap.words].join("\n");
    const row = rows.get(key) || { ...gap, key, symbols: new Set(), kinds: new Set(), parts: [] };
    row.symbols.add(gap.symbol || "(all)");
    row.kinds.add(gap.kind);
    row.parts.push(gap);
    rows.set(key, row);
  }
  return [...rows.values()];
}

function names(set) {
  const all = [...set];
  const rest = all.length - shownMax;
  return all.slice(0, shownMax).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

function cells(gap, symbols, kinds, now) {
  return [
    symbols, kinds, gap.source, time(gap.from), gap.to === undefined ? "lasts" : time(gap.to),
    span((gap.to === undefined ? now : gap.to) - gap.from), gap.reason,
    [`${marks[gap.outlook]} ${gap.words}`, gap.outlook],
  ];
}

// A row that stands for several parts can be opened.
function rowOf(gap, now, isOld) {
  const kind = isOld ? "stale" : "";
  const row = { kind, cells: cells(gap, names(gap.symbols), names(gap.kinds), now) };
  if (gap.parts.length === 1) return row;
  const below = gap.parts.map((part) => (
    { kind: `below ${kind}`.trim(), cells: cells(part, part.symbol || "(all)", part.kind, now) }));
  return { ...row, key: gap.key, below };
}

// An outage of seconds is to be seen, so the picture begins shortly before the first gap.
function begin(gaps, now) {
  if (Number(range.value)) return now - Number(range.value);
  const first = Math.min(now - 60, ...gaps.map((gap) => gap.from));
  return first - (now - first) / 20;
}

function summary(look, shown) {
  const gaps = look.gaps;
  if (list.isOld(look)) {
    return [`Not known: ${doubt() || gaps.absence || "the answer is old"}.`, "unknown"];
  }
  const counts = look.gap_counts;
  const open = (counts.open || 0) + (counts.filling || 0);
  const lost = counts.abandoned || 0;
  const books = counts.books || 0;
  if (!open && !lost && !books) return ["Nothing is missing.", "good"];
  const count = shown.reduce((sum, row) => sum + row.parts.length, 0);
  const named = books ? `${books} are ordinals that the store lacks; ` : "";
  const text = `${open} may still be filled, ${lost} never will be; ${named}`
    + `${count} of these are shown below. Asked ${span(age(gaps.at))} ago.`;
  return [text, open ? "warning" : "bad"];
}

function draw(gaps, from, to, isOld) {
  drawAgain = () => drawTimeline(element("timeline"), gaps, { from, to, cursor }, isOld);
  drawAgain();
}

function point(place) {
  cursor = place;
  drawAgain();
}

function show(look) {
  newest = look;
  const table = element("gaps");
  if (!look) {
    put(element("summary"), `Not known: ${doubt()}.`, "unknown");
    fill(table, []);
    return draw([], 0, 1, true);
  }
  list.follow(look);
  const gaps = chosen(look);
  const now = Date.parse(look.time) / 1000;
  const [text, kind] = summary(look, gaps);
  const isOld = list.isOld(look);
  put(element("summary"), text, kind);
  draw(gaps, begin(gaps, now), now, isOld);
  fill(table, gaps.map((gap) => rowOf(gap, now, isOld)));
}

element("timeline").addEventListener("pointermove", (event) => point(event.offsetX));
element("timeline").addEventListener("pointerleave", () => point(undefined));
range.addEventListener("change", () => show(newest));
symbol.addEventListener("input", () => show(newest));
start(show);
