// The page of the market: all symbols with their last prices. Of many rows those that are seen are
// asked for and drawn.

import {
  start, documentAt, age, count, isStale, span, put, doubt, element, wallNow,
} from "./live.js";
import { drawSpark } from "./spark.js";
import { stateOf, symbols } from "./edges.js";

// As style.css has it.
const rowTall = 30;
const askedMax = 100;
const askedStep = 50;
const place = element("window");
const body = /** @type {HTMLTableElement} */ (document.getElementById("market")).tBodies[0];
const given = new URLSearchParams(location.search);
// `rows` are those that came last, by their number in this order and with this filter.
const state = {
  order: given.get("order") || "symbol", filter: given.get("filter") || "", from: 0,
  rows: new Map(), news: {}, look: null,
};
const page = documentAt(() => `market.json?${new URLSearchParams({
  filter: state.filter, order: state.order, from: `${state.from}`, count: `${askedMax}` })}`);

// Another order, or another filter, has other rows.
function change(part) {
  Object.assign(state, part, { from: 0, rows: new Map(), news: {} });
  place.scrollTop = 0;
  const query = new URLSearchParams();
  if (state.filter) query.set("filter", state.filter);
  if (state.order !== "symbol") query.set("order", state.order);
  history.replaceState(null, "", `${query}` ? `market?${query}` : "market");
  showHeads();
  show(state.look);
}

function showHeads() {
  /** @type {NodeListOf<HTMLElement>} */
  const heads = document.querySelectorAll("[data-column]");
  for (const head of heads) {
    const isOwn = state.order.replace("-", "") === head.dataset.column;
    if (!isOwn) head.removeAttribute("aria-sort");
    else head.setAttribute("aria-sort", state.order.startsWith("-") ? "descending" : "ascending");
  }
}

function watchHeads() {
  /** @type {NodeListOf<HTMLElement>} */
  const heads = document.querySelectorAll("[data-column]");
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      const { column } = head.dataset;
      const isDownFirst = ["price", "change", "rate"].includes(column);
      const [first, second] = isDownFirst ? [`-${column}`, column] : [column, `-${column}`];
      change({ order: state.order === first ? second : first });
    });
  }
}

// MARK: rows

function makeRow() {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.append(document.createElement("a"));
  row.append(head);
  for (let cell = 1; cell < 8; cell += 1) row.insertCell();
  for (const cell of [3, 4, 6, 7]) row.cells[cell].className = "num";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  row.cells[5].append(canvas);
  return row;
}

const percent = (part) => `${part > 0 ? "▲ +" : part < 0 ? "▼ −" : ""}${
  Math.abs(part * 100).toFixed(2)} %`;

function lineOf(values, slots) {
  const known = values.filter((value) => value !== null);
  const bottom = Math.min(...known);
  return known.length ? { values, slots, bottom, top: Math.max(...known), tall: 22 }
    : { values: [], slots: 2, bottom: 0, top: 1, tall: 22 };
}

function showRow(row, item, number, edges, isOld) {
  const kind = isOld || !item ? "stale" : "";
  if (row.className !== kind) row.className = kind;
  if (row.ariaRowIndex !== `${number + 2}`) row.setAttribute("aria-rowindex", `${number + 2}`);
  const anchor = row.cells[0].firstElementChild;
  put(anchor, item ? item.symbol : "…");
  const query = item && new URLSearchParams({ symbol: item.symbol, source: item.source });
  const address = item ? `chart?${query}&series=1m` : "chart";
  if (anchor.getAttribute("href") !== address) anchor.setAttribute("href", address);
  const edge = item && edges.get(item.source);
  const [own, words] = edge ? stateOf(edge) : ["unknown", "not known"];
  put(row.cells[1], item ? item.source : "");
  put(row.cells[2], item ? `${symbols[own]} ${words}` : "", item ? own : "");
  put(row.cells[3], item ? item.price : "");
  const way = !item || !item.change ? "" : item.change > 0 ? "rise" : "fall";
  put(row.cells[4], !item ? "" : item.change === undefined ? "–" : percent(item.change),
    `num ${isOld ? "" : way}`.trim());
  const line = lineOf(item ? item.line : [], state.news.slots || 2);
  const canvas = row.cells[5].firstElementChild;
  const label = item && line.values.length ? `from ${line.bottom} to ${line.top}` : "not known";
  if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  drawSpark(canvas, line, isOld);
  put(row.cells[6], !item ? "" : item.rate === undefined ? "–" : item.rate.toFixed(1));
  const seconds = item && item.heard !== undefined ? wallNow() - item.heard : NaN;
  put(row.cells[7], Number.isFinite(seconds) ? `${span(seconds)} ago` : "–");
}

// Room for the rows before and after those that are drawn.
function room(name, rows) {
  let own = /** @type {HTMLTableRowElement} */ (body.querySelector(`.${name}`));
  if (!own) {
    own = document.createElement("tr");
    own.className = name;
    own.setAttribute("aria-hidden", "true");
    own.append(document.createElement("td"));
    if (name === "before") body.prepend(own);
    else body.append(own);
  }
  const cell = own.cells[0];
  cell.colSpan = 8;
  const tall = `${Math.max(0, rows) * rowTall}px`;
  if (cell.style.height !== tall) cell.style.height = tall;
  return own;
}

function showRows(look, isOld) {
  const total = state.news.total || 0;
  const seen = Math.ceil(place.clientHeight / rowTall) + 1;
  const first = Math.max(0, Math.min(total - seen, Math.floor(place.scrollTop / rowTall)));
  const shown = Math.min(seen, total - first);
  const table = body.parentElement;
  if (table.ariaRowCount !== `${total + 1}`) table.setAttribute("aria-rowcount", `${total + 1}`);
  room("before", first);
  const after = room("after", total - first - shown);
  while (body.rows.length > shown + 2) after.previousElementSibling.remove();
  while (body.rows.length < shown + 2) after.before(makeRow());
  const edges = new Map(look ? look.edges.filter((edge) => edge.id.startsWith("source:"))
    .map((edge) => [edge.from, edge]) : []);
  for (let index = 0; index < shown; index += 1) {
    showRow(body.rows[index + 1], state.rows.get(first + index), first + index, edges, isOld);
  }
  // What lies about the rows that are seen is asked for next.
  const wanted = Math.floor((first + seen / 2 - askedMax / 2) / askedStep + 0.5) * askedStep;
  state.from = Math.max(0, Math.min(wanted, total - askedMax + askedStep));
}

function take(found) {
  if (found.rows === undefined) return;
  state.news = found;
  // Only what was asked for now is as new as the page says.
  state.rows = new Map(found.rows.map((row, index) => [found.from + index, row]));
}

function words(look, isOld) {
  const { news } = state;
  if (news.refused) return [`Not answered: ${news.refused}.`, "warning"];
  if (!look || isOld) {
    return [`Not known: ${doubt() || news.absence || "no round of all symbols is read yet"}.`,
      "unknown"];
  }
  const hidden = news.hidden ? ` ${count(news.hidden)} more are not shown.` : "";
  const days = news.day_problem
    ? ` Not all changes of the day are known: ${news.day_problem}.` : "";
  const of = state.filter ? `${count(news.total)} of ` : "";
  return [`${of}${count(news.all)} symbols of sources.${hidden} Read ${span(age(news.at))} ago.${
    days}`, days ? "warning" : ""];
}

function show(look) {
  state.look = look;
  const found = page(look);
  if (found.refused) state.news = found;
  take(found);
  const isOld = !look || isStale(state.news);
  put(element("words"), ...words(look, isOld));
  showRows(look, isOld);
}

element("filter").value = state.filter;
element("filter").addEventListener("input", () =>
  change({ filter: element("filter").value.trim() }));
place.addEventListener("scroll", () => show(state.look), { passive: true });
watchHeads();
showHeads();
start(show);
