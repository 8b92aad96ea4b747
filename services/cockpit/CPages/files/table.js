// Fills tables with texts, and changes only what differs.

import { put } from "./live.js";

// A time is not broken into two lines.
const isTime = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

// Each row is { cells: [text or [text, class, address]], kind: class of the row }. A text
// with an address is a link.
export function fill(table, rows) {
  const body = table.tBodies[0];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  while (body.rows.length < rows.length) body.insertRow();
  rows.forEach((row, index) => fillRow(body.rows[index], row));
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
  const chosen = select.value;
  select.replaceChildren(select.options[0],
    ...values.map((value) => new Option(text(value), value)));
  select.value = values.includes(chosen) ? chosen : "";
}

function fillRow(element, row) {
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
    const kind = isTime.test(text) ? `${ownKind || ""} time`.trim() : ownKind;
    if (address) return link(element.cells[index], text, kind, address);
    // A link of before; those to runbooks are of `put`.
    if (element.cells[index].querySelector("a[rel]")) element.cells[index].replaceChildren();
    put(element.cells[index], text, kind);
  });
}

function link(element, text, kind, address) {
  let anchor = element.firstElementChild;
  if (!anchor) {
    anchor = document.createElement("a");
    anchor.rel = "noreferrer";
    element.replaceChildren(anchor);
  }
  if (anchor.getAttribute("href") !== address) anchor.setAttribute("href", address);
  put(anchor, text);
  if (element.className !== kind) element.className = kind;
}
