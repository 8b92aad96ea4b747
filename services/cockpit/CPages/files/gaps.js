// The second page: what is missing, why, and whether it will come.

import { start, age, isStale, span, put, doubt, element } from "./live.js";
import { list as fill } from "./table.js";
import { drawTimeline } from "./timeline.js";

const range = element("range");
const symbol = element("symbol");
const marks = { lasts: "▶", waits: "▲", filling: "◌", never: "✕", elsewhere: "⇄" };
let newest = null;
// The list is fetched when its version changes.
const list = { version: null, items: [], asked: null, differsSince: null };

const time = (value) => new Date(value * 1000).toISOString().slice(0, 19) + "Z";

function chosen(look) {
  const now = Date.parse(look.time) / 1000;
  const from = Number(range.value) ? now - Number(range.value) : -Infinity;
  const wanted = symbol.value.trim().toUpperCase();
  return list.items.filter((gap) => (gap.to === undefined || gap.to >= from)
    && (gap.symbol || "").toUpperCase().startsWith(wanted));
}

async function fetchList(version) {
  if (list.asked === version) return;
  list.asked = version;
  try {
    const answer = await fetch("gaps.json");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { version: found, items } = await answer.json();
    [list.version, list.items] = [found, items];
  } catch {
    // The next look asks again; until then the list counts as old.
  }
  list.asked = null;
}

function follow(look) {
  if (list.version === look.gaps_version) {
    list.differsSince = null;
    return;
  }
  list.differsSince ??= performance.now();
  fetchList(look.gaps_version);
}

function isOldList(look) {
  const since = list.differsSince;
  const differs = since !== null && performance.now() - since > 2000;
  return isStale(look.gaps) || differs || list.version === null;
}

function summary(look, shown) {
  const gaps = look.gaps;
  if (isOldList(look)) {
    return [`Not known: ${doubt() || gaps.absence || "the answer is old"}.`, "unknown"];
  }
  const counts = look.gap_counts;
  const open = (counts.open || 0) + (counts.filling || 0);
  const lost = counts.abandoned || 0;
  const books = counts.books || 0;
  if (!open && !lost && !books) return ["Nothing is missing.", "good"];
  const named = books ? `${books} are ordinals that the store lacks; ` : "";
  const text = `${open} may still be filled, ${lost} never will be; ${named}`
    + `${shown.length} of these are shown below. Asked ${span(age(gaps.at))} ago.`;
  return [text, open ? "warning" : "bad"];
}

function show(look) {
  newest = look;
  const table = element("gaps");
  const canvas = element("timeline");
  if (!look) {
    put(element("summary"), `Not known: ${doubt()}.`, "unknown");
    fill(table, [], true, () => []);
    return drawTimeline(canvas, [], 0, 1, true);
  }
  follow(look);
  const gaps = chosen(look);
  const now = Date.parse(look.time) / 1000;
  const [text, kind] = summary(look, gaps);
  const isOld = isOldList(look);
  put(element("summary"), text, kind);
  const first = Math.min(now - 60, ...gaps.map((gap) => gap.from));
  const from = Number(range.value) ? now - Number(range.value) : first;
  drawTimeline(canvas, gaps, from, now, isOld);
  fill(table, gaps, isOld, (gap) => [
    gap.symbol || "(all)", gap.kind, gap.source, time(gap.from),
    gap.to === undefined ? "lasts" : time(gap.to),
    span((gap.to === undefined ? now : gap.to) - gap.from), gap.reason,
    [`${marks[gap.outlook]} ${gap.words}`, gap.outlook],
  ]);
}

range.addEventListener("change", () => show(newest));
symbol.addEventListener("input", () => show(newest));
start(show);
