// Ctrl+K on each page: to a page, a runbook, or the chart of a symbol, by its name.

import { documentAt, element, follow, resized, within } from "./live.js";

const shownMax = 12;
/** @type {HTMLDialogElement} */
const dialog = document.querySelector("#jump");
const field = element("jump-to");
const items = element("jump-found");
const pages = [...document.querySelectorAll(".side a")].map((link) => (
  { name: link.textContent, address: link.getAttribute("href") }));
const state = { runbooks: [], symbols: null, found: [], chosen: 0 };
// What is listed is asked for while it is needed.
const choices = documentAt(() => (
  dialog.open && !state.symbols ? "chart-choices.json?symbol=" : ""));

const chartOf = (symbol) => (
  { name: symbol, address: `chart?${new URLSearchParams({ symbol })}`, kind: "chart" });

async function askRunbooks() {
  try {
    const answer = await fetch("runbooks", { signal: within(5000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const names = [...page.querySelectorAll("main a")].flatMap((link) =>
      /^runbook-([A-Za-z]+)$/.exec(link.getAttribute("href"))?.[1] ?? []);
    state.runbooks = [...new Set(names)].map((name) => (
      { name, address: `runbook-${name}`, kind: "runbook" }));
  } catch {
    // The pages are listed all the same.
  }
  show();
}

// Names that begin with what is wanted come before those that have it elsewhere.
function find() {
  const wanted = field.value.trim().toLowerCase();
  const places = [...pages, ...state.runbooks, ...(state.symbols || []).map(chartOf)]
    .map((place) => ({ ...place, at: place.name.toLowerCase().indexOf(wanted) }));
  return [...places.filter(({ at }) => at === 0), ...places.filter(({ at }) => at > 0)]
    .slice(0, shownMax);
}

function show() {
  state.found = find();
  // Not all symbols need to be listed.
  if (!state.found.length) state.found = [chartOf(field.value.trim().toUpperCase())];
  state.chosen = Math.min(state.chosen, state.found.length - 1);
  const rows = resized(items, state.found.length);
  state.found.forEach(({ name, kind }, index) => {
    rows[index].id = `jump-${index}`;
    rows[index].setAttribute("role", "option");
    rows[index].setAttribute("aria-selected", `${index === state.chosen}`);
    const text = kind ? `${name} – ${kind}` : name;
    if (rows[index].textContent !== text) rows[index].textContent = text;
  });
  field.setAttribute("aria-activedescendant", `jump-${state.chosen}`);
}

function open() {
  if (dialog.open) return;
  [field.value, state.chosen, state.symbols] = ["", 0, null];
  dialog.showModal();
  show();
  if (!state.runbooks.length) askRunbooks();
}

function go(place) {
  dialog.close();
  location.assign(place.address);
}

document.addEventListener("keydown", (event) => {
  if (`${event.key}`.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  open();
});
element("jump-open").addEventListener("click", open);
field.addEventListener("input", () => {
  state.chosen = 0;
  show();
});
field.addEventListener("keydown", (event) => {
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  state.chosen = (state.chosen + way + state.found.length) % state.found.length;
  show();
});
element("jump-form").addEventListener("submit", (event) => {
  event.preventDefault();
  go(state.found[state.chosen]);
});
items.addEventListener("click", (event) => {
  const row = /** @type {Element} */ (event.target).closest("li");
  if (row) go(state.found[[...items.children].indexOf(row)]);
});

follow((look) => {
  const news = choices(look);
  if (!news.value || state.symbols) return;
  state.symbols = news.value.symbols;
  show();
});
