// The page of the latest values, and of how far each may be relied on.

import {
  start, documentAt, put, doubt, age, span, isStale, question, element as field,
} from "./live.js";
import { fill } from "./table.js";

const names = ["symbols", "source", "series"];
const shown = { path: "" };
const news = documentAt(() => shown.path);

function ask() {
  shown.path = `latest.json?${question(names)}`;
}

const known = (value) => (value === null || value === undefined ? "unknown" : `${value}`);

function row(item, found, old) {
  const kind = old ? "stale" : "";
  const who = [item.symbol, item.source || "–", item.kind];
  if (item.unknown) {
    return { kind, cells: [
      ...who, [`unknown: ${item.unknown}`, "unknown"], ...Array(6).fill("–"),
    ] };
  }
  const value = Object.entries(item.value).map(([name, text]) => `${name} ${text}`).join(", ");
  const ageNow = item.age_ns === null ? "unknown" : span(item.age_ns / 1e9 + age(found.at));
  return { kind, cells: [
    ...who, value, ageNow, known(item.ordinal), item.from,
    [item.feed, item.feed === "live" ? "" : "unknown"], known(item.behind), known(item.gaps),
  ] };
}

function words(found) {
  if (!shown.path) return ["Nothing is asked yet.", ""];
  if (found.refused) return [`Not answered: ${found.refused}.`, "warning"];
  if (!found.value || isStale(found)) {
    return [`Not known now: ${doubt() || found.absence || "the answer is old"}.`, "unknown"];
  }
  const { problems, more, time } = found.value;
  const lacks = problems.map((problem) => ` Not known: ${problem}.`).join("");
  const rest = more ? ` ${more} more are not shown: name a source.` : "";
  return [`Read at ${time}.${lacks}${rest}`, lacks ? "warning" : ""];
}

field("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});

const given = new URLSearchParams(location.search);
for (const name of names) if (given.has(name)) field(name).value = given.get(name);
if (given.has("symbols")) ask();

start((look) => {
  const found = news(look);
  put(field("words"), ...words(found));
  const [items, old] = [found.value ? found.value.items : [], isStale(found)];
  fill(field("values"), items.map((item) => row(item, found, old)));
});
