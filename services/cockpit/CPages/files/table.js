// Fills tables with texts, and changes only what differs. A person may sort them, filter them, copy
// them, and open rows that stand for several.

import { put, span, wallNow } from "./live.js";
import { compare } from "./order.js";
import { timeOf, timeText } from "./clock.js";

const isTime = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
// Fewer rows are seen at one look.
const filteredMin = 8;
// A text of at most so many characters stays on one line.
const shortMax = 24;
const tables = new WeakMap();

// The day is said of other days alone. The cell has the whole time as its title.
function momentText(time, now) {
  const text = timeText(time);
  return now !== undefined && text.startsWith(timeOf(now).slice(0, 11)) ? text.slice(11) : text;
}

// What a person has chosen of a table, and what was shown last.
function stateOf(table) {
  const before = tables.get(table);
  if (before) return before;
  const state = { rows: [], column: -1, isDown: false, wanted: "", open: new Set(), tools: null,
    numbers: new Set((table.dataset.numbers || "").split(" ").map((text) => Number(text) - 1)) };
  tables.set(table, state);
  const heads = [...table.tHead.rows[0].cells];
  for (const index of state.numbers) if (heads[index]) heads[index].className = "num";
  if (table.dataset.order !== "fixed") heads.forEach((head, index) => sortBy(table, head, index));
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button.opens");
    if (button) open(table, button.dataset.key);
  });
  return state;
}

// A press sorts, the next one turns the order, and the third one gives up.
function sortBy(table, head, index) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sort";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const state = stateOf(table);
    if (state.column !== index) [state.column, state.isDown] = [index, state.numbers.has(index)];
    else if (state.isDown === state.numbers.has(index)) state.isDown = !state.isDown;
    else state.column = -1;
    [...table.tHead.rows[0].cells].forEach((one, place) => {
      if (place !== state.column) one.removeAttribute("aria-sort");
      else one.setAttribute("aria-sort", state.isDown ? "descending" : "ascending");
    });
    fill(table, state.rows);
  });
}

function open(table, key) {
  const { open: keys, rows } = stateOf(table);
  if (!keys.delete(key)) keys.add(key);
  fill(table, rows);
}

// The field that filters, and the button that copies, above a table with more than a few rows.
function showTools(table, state, count) {
  const isFree = table.dataset.order !== "fixed";
  const isLong = state.rows.length >= filteredMin;
  if (!state.tools && isFree && isLong) state.tools = makeTools(table, state);
  if (!state.tools) return;
  const isWanted = isLong || state.wanted !== "";
  if (state.tools.box.hidden === isWanted) state.tools.box.hidden = !isWanted;
  put(state.tools.count, state.wanted ? `${count} of ${state.rows.length} rows` : `${count} rows`);
}

function makeTools(table, state) {
  const [box, field, copies, count] = ["div", "input", "button", "span"]
    .map((tag) => document.createElement(tag));
  const filter = /** @type {HTMLInputElement} */ (field);
  const name = table.caption ? table.caption.textContent : table.id;
  box.className = "filter";
  filter.type = "search";
  filter.placeholder = "Filter";
  filter.setAttribute("aria-label", `Filter: ${name}`);
  filter.addEventListener("input", () => {
    state.wanted = filter.value.trim().toLowerCase();
    fill(table, state.rows);
  });
  copies.textContent = "Copy";
  copies.setAttribute("aria-label", `Copy: ${name}`);
  copies.addEventListener("click", () => copy(table, count));
  box.append(filter, copies, count);
  (table.closest(".scroll") || table).before(box);
  return { box, count };
}

async function copy(table, place) {
  const lines = [...table.rows].map((row) =>
    [...row.cells].map((cell) => cell.title || cell.textContent.trim()).join("\t"));
  // A page without TLS on another host may not.
  try { await navigator.clipboard.writeText(lines.join("\n")); } catch {
    return put(place, "this browser lets no page copy");
  }
  put(place, `${lines.length - 1} rows are copied`);
}

const textOf = (cell) => `${Array.isArray(cell) ? cell[0] : cell}`;

// The rows in the order and with the text that a person wants, and below each what is open.
function chosen(state) {
  const { rows, column, isDown, wanted, open: keys } = state;
  const has = (row) => row.cells.some((cell) => textOf(cell).toLowerCase().includes(wanted))
    || (row.below || []).some(has);
  const found = wanted ? rows.filter(has) : [...rows];
  if (column >= 0) {
    found.sort((one, other) =>
      compare(textOf(one.cells[column]), textOf(other.cells[column]), isDown));
  }
  return [found.length, found.flatMap((row) => (row.below && keys.has(row.key)
    ? [{ ...row, isOpen: true }, ...row.below] : [row]))];
}

// Each row is { cells: [text or [text, class, address]], kind: class of the row }. A text
// with an address is a link, and one of class `long` has two lines. A row with a key and rows
// `below` it can be opened.
export function fill(table, rows) {
  const state = stateOf(table);
  state.rows = rows;
  const [count, shown] = chosen(state);
  const body = table.tBodies[0];
  while (body.rows.length > shown.length) body.deleteRow(-1);
  while (body.rows.length < shown.length) body.insertRow();
  const now = wallNow();
  shown.forEach((row, index) => fillRow(body.rows[index], row, state.numbers, now));
  showTools(table, state, count);
}

// The same with a row of cells for each item. `isOld` says of an item, or of all, that it is too
// old to speak of now.
export function list(table, items, isOld, cells) {
  const old = typeof isOld === "function" ? isOld : () => isOld;
  fill(table, items.map((item) => ({ kind: old(item) ? "stale" : "", cells: cells(item) })));
}

// Offers these values after the first one, which stands for all, and keeps what is chosen.
export function offer(select, values, text = (value) => value) {
  const known = [...select.options].slice(1).map((option) => option.value);
  if (values.join() === known.join()) return;
  const chosenBefore = select.value;
  select.replaceChildren(select.options[0],
    ...values.map((value) => new Option(text(value), value)));
  select.value = values.includes(chosenBefore) ? chosenBefore : "";
}

function fillRow(element, row, numbers, now) {
  if (element.className !== row.kind) element.className = row.kind;
  while (element.cells.length > row.cells.length) element.deleteCell(-1);
  while (element.cells.length < row.cells.length) {
    if (element.cells.length > 0) { element.insertCell(); continue; }
    const head = document.createElement("th");
    head.scope = "row";
    element.append(head);
  }
  row.cells.forEach((cell, index) => {
    const [text, ownKind, address] = Array.isArray(cell) ? cell : [cell, ""];
    const isMoment = isTime.test(text);
    const isShort = textOf(cell).length <= shortMax;
    const isLong = !isShort && /\blong\b/.test(ownKind);
    const kinds = [ownKind, isMoment ? "time" : isShort ? "short" : "",
      numbers.has(index) ? "num" : ""];
    const kind = kinds.filter(Boolean).join(" ");
    const title = isMoment || isLong ? text : "";
    const shown = isMoment ? momentText(text, now) : text;
    const own = element.cells[index];
    if (own.title !== title) own.title = title;
    showAge(own, isMoment && now !== undefined ? now - Date.parse(text) / 1000 : undefined);
    if (index === 0 && row.below) return opener(own, row, shown, kind);
    if (address) return link(own, shown, kind, address);
    if (isLong) return clamp(own, text, kind);
    // What stood here before; links to runbooks are of `put`.
    if (own.querySelector("a[rel], button.opens, .two")) own.replaceChildren();
    put(own, shown, kind);
  });
}

// How long ago a time was, beside it.
function showAge(cell, seconds) {
  const text = seconds === undefined ? "" : seconds < 0 ? "to come" : `${span(seconds)} ago`;
  if ((cell.dataset.ago || "") === text) return;
  if (text) cell.dataset.ago = text;
  else delete cell.dataset.ago;
}

// A row that stands for several has a button, which is named by what it shows.
function opener(cell, row, text, kind) {
  let button = cell.querySelector("button.opens");
  if (!button) {
    button = document.createElement("button");
    button.type = "button";
    button.className = "opens";
    cell.replaceChildren(button, document.createElement("span"));
  }
  if (button.dataset.key !== row.key) button.dataset.key = row.key;
  const name = `${row.isOpen ? "Close" : "Open"} ${row.below.length} rows`;
  if (button.getAttribute("aria-label") !== name) button.setAttribute("aria-label", name);
  if (button.ariaExpanded !== `${!!row.isOpen}`) {
    button.setAttribute("aria-expanded", `${!!row.isOpen}`);
  }
  put(cell.lastElementChild, text);
  if (cell.className !== kind) cell.className = kind;
}

// Who is at a text sees all of its lines.
function clamp(cell, text, kind) {
  let own = cell.querySelector(".two");
  if (!own) {
    own = document.createElement("span");
    [own.className, own.tabIndex] = ["two", 0];
    cell.replaceChildren(own);
  }
  put(own, text);
  if (cell.className !== kind) cell.className = kind;
}

function link(element, text, kind, address) {
  let anchor = element.firstElementChild;
  if (!(anchor instanceof HTMLAnchorElement)) {
    anchor = document.createElement("a");
    anchor.rel = "noreferrer";
    element.replaceChildren(anchor);
  }
  if (anchor.getAttribute("href") !== address) anchor.setAttribute("href", address);
  put(anchor, text);
  if (element.className !== kind) element.className = kind;
}
