// The page on which people ask the database in SQL. What is asked reads, and changes nothing.

import { start, doubt, put, count, element as field, short, within } from "./live.js";
import { keyHeader } from "./signin.js";
import { csvOf, linesOf, numberColumns } from "./answer.js";
import { prepared } from "./canvas.js";
import { marksText, timeOf } from "./clock.js";
import { priceMarks, timesBetween } from "./scale.js";

const pageRows = 200;
// Room for the numbers at the right of the lines, and for the times below them.
const [axis, foot] = [76, 20];
const meEvery = 10000;
const lookEvery = 250;
const state = { no: "not known", number: "", columns: [], rows: [], first: 0, asLine: false,
  isFirst: true };
// Tables, with their comment and their columns.
const tablesSQL = `SELECT relname, obj_description(c.oid, 'pg_class'),
    string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
  FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
  WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('v', 'r', 'm', 'p')
  GROUP BY c.oid, relname ORDER BY relname`;
const dark = matchMedia("(prefers-color-scheme: dark)");

// MARK: who

async function askWho() {
  try {
    const answer = await fetch("me.json", { headers: keyHeader(), signal: within(3000) });
    const me = answer.ok ? await answer.json() : { no_sql: "sign in first" };
    state.no = me.no_sql || "";
  } catch {
    state.no = "the cockpit does not answer";
  }
  showMay();
  if (!state.no && state.isFirst) {
    state.isFirst = false;
    await listTables();
  }
}

function showMay() {
  const why = doubt() || state.no;
  const signs = state.no.endsWith("sign in") || state.no.startsWith("sign in");
  put(field("right"), why ? `Nothing can be asked: ${why}.${signs ? " The page Actions does that." : ""}`
    : "You read as a role of the database that can change nothing.", why ? "warning" : "");
  const isBusy = state.number !== "";
  able(field("go"), !why && !isBusy);
  able(field("stop"), isBusy);
}

function able(button, isAble) {
  if (isAble) button.removeAttribute("aria-disabled");
  else button.setAttribute("aria-disabled", "true");
}

const isAble = (button) => button.getAttribute("aria-disabled") !== "true";

// MARK: asking

async function post(path, body, more = {}) {
  const answer = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json", ...keyHeader() },
    body: JSON.stringify(body), ...more,
  });
  return answer.json();
}

// Returns what came of a question, or the reason why nothing did.
async function answerTo(sql, hear) {
  try {
    const taken = await post("ask", { sql }, { signal: within(5000) });
    if (taken.refused) return taken;
    state.number = taken.number;
    showMay();
    for (;;) {
      const answer = await fetch(`asked.json?number=${taken.number}`,
        { headers: keyHeader(), signal: within(5000) });
      const news = await answer.json();
      if (news.state !== "under way") return news;
      hear(news.seconds);
      await new Promise((resolve) => { setTimeout(resolve, lookEvery); });
    }
  } catch {
    return { refused: "the cockpit did not answer" };
  } finally {
    state.number = "";
    showMay();
  }
}

async function ask() {
  if (!isAble(field("go"))) return;
  const sql = field("sql").value;
  put(field("said"), "It is asked.", "");
  const news = await answerTo(sql, (seconds) => {
    put(field("said"), `It is asked, for ${seconds.toFixed(1)} s.`, "");
  });
  if (news.refused) return put(field("said"), `No answer: ${news.refused}.`, "bad");
  [state.columns, state.rows, state.first] = [news.columns, news.rows, 0];
  const cut = { rows: " There are more rows: add a LIMIT or a condition.",
    bytes: " There are more rows: the answer is larger than 2 MiB." }[news.cut] || "";
  const cells = news.cut_values
    ? ` ${count(news.cut_values)} values are longer than 4,096 characters, and are cut.` : "";
  put(field("said"), `${count(news.rows.length)} rows in ${news.seconds.toFixed(2)} s, at `
    + `${short(news.time)}.${cut}${cells}`, cut || cells ? "warning" : "good");
  show();
}

// The database ends what no page waits for.
function stop(more = {}) {
  const { number } = state;
  if (!number) return;
  post("unask", { number }, more).catch(() => {
    // A page that asks no more has left after 3 s.
  });
}

// MARK: tables

async function listTables() {
  const news = await answerTo(tablesSQL, () => {});
  if (news.refused) {
    return field("views").replaceChildren(paragraph(`The tables are not known: ${news.refused}.`));
  }
  field("views").replaceChildren(...news.rows.map(([name, comment, columns]) => {
    const [own, head, button] = ["details", "summary", "button"]
      .map((tag) => document.createElement(tag));
    head.textContent = name;
    button.textContent = `Select from ${name}`;
    button.addEventListener("click", () => {
      field("sql").value = `SELECT * FROM ${name} LIMIT 100`;
      field("sql").focus();
    });
    own.append(head, ...(comment ? [paragraph(comment)] : []), paragraph(columns), button);
    return own;
  }));
}

function paragraph(text) {
  const own = document.createElement("p");
  own.textContent = text;
  return own;
}

// MARK: the answer

function show() {
  const { columns, rows, asLine } = state;
  for (const [id, isOn] of [["as-grid", !asLine], ["as-line", asLine]]) {
    field(id).setAttribute("aria-pressed", `${isOn}`);
  }
  field("picture").hidden = !asLine;
  field("answer").parentElement.hidden = asLine;
  able(field("csv"), columns.length > 0);
  able(field("earlier"), !asLine && state.first > 0);
  able(field("later"), !asLine && state.first + pageRows < rows.length);
  if (asLine) return draw();
  const last = Math.min(rows.length, state.first + pageRows);
  put(field("part"), rows.length ? `rows ${count(state.first + 1)} to ${count(last)} of `
    + `${count(rows.length)}` : columns.length ? "no rows" : "");
  fillGrid(columns, rows.slice(state.first, last), new Set(numberColumns(columns, rows)));
}

function cell(tag, text, isNumber) {
  const own = document.createElement(tag);
  own.textContent = text === null ? "NULL" : text;
  own.className = text === null ? "stale" : isNumber ? "num" : "";
  return own;
}

// A long answer is shown a part at a time.
function fillGrid(columns, rows, numbers) {
  /** @type {HTMLTableElement} */
  const table = document.querySelector("#answer");
  const heads = columns.map((name, place) => {
    const head = cell("th", name, numbers.has(place));
    head.setAttribute("scope", "col");
    return head;
  });
  table.tHead.rows[0].replaceChildren(...heads);
  table.tBodies[0].replaceChildren(...rows.map((row) => {
    const own = document.createElement("tr");
    own.append(...row.map((value, place) => cell("td", value, numbers.has(place))));
    return own;
  }));
}

function draw() {
  const found = linesOf(state.columns, state.rows);
  put(field("part"), "");
  /** @type {HTMLCanvasElement} */
  const canvas = document.querySelector("#lines");
  const [width, tall] = [Math.max(140, canvas.clientWidth) - axis, 260];
  const { ink, color } = prepared(canvas, width + axis, tall + foot);
  if (!found || !found.x.length) {
    return put(field("legend"), "No line: a line needs two rows and a column of numbers.");
  }
  const values = found.lines.flatMap((line) => line.values).filter((value) => value !== null);
  const [low, high] = values.reduce(([least, most], value) =>
    [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  const [from, to] = [found.x[0], found.x.at(-1)];
  const x = (value) => 4 + (value - from) / (to - from || 1) * (width - 8);
  const y = (value) => tall - 4 - (value - low) / (high - low || 1) * (tall - 8);
  drawMarks({ ink, color, width, tall }, { low, high, y });
  drawTimes({ ink, color, tall, width }, found, x);
  // Lines differ by their dashes, too.
  const styles = [["accent", []], ["rise", [6, 3]], ["fall", [2, 3]], ["warning", [9, 3, 2, 3]]];
  found.lines.forEach((line, place) => {
    ink.strokeStyle = color(styles[place][0]);
    ink.setLineDash(styles[place][1]);
    ink.lineWidth = 1.5;
    ink.beginPath();
    line.values.forEach((value, index) => {
      if (value === null) return;
      if (index && line.values[index - 1] !== null) ink.lineTo(x(found.x[index]), y(value));
      else ink.moveTo(x(found.x[index]), y(value));
    });
    ink.stroke();
  });
  ink.setLineDash([]);
  const names = ["solid", "dashed", "dotted", "dash and dot"];
  const edge = (value) => (found.isTime ? timeOf(value) : count(value + 1));
  put(field("legend"), `${found.lines.map((line, place) => `${names[place]}: ${line.name}`)
    .join(", ")}. From ${low} to ${high}; ${found.isTime ? "" : "rows "}${edge(from)} to `
    + `${edge(to)}.`);
}

// Round numbers at the right, each with its line.
function drawMarks({ ink, color, width, tall }, { low, high, y }) {
  const marks = high > low ? priceMarks({ low, high }, 4) : [{ price: low, text: `${low}` }];
  for (const { price, text } of marks) {
    ink.fillStyle = color("line");
    ink.fillRect(0, Math.round(y(price)), width, 1);
    ink.fillStyle = color("muted");
    ink.fillText(text, width + 8, Math.min(tall, Math.max(10, y(price) + 4)), axis - 8);
  }
}

// Round times below, or numbers of rows.
function drawTimes({ ink, color, tall, width }, found, x) {
  const [from, to] = [found.x[0], found.x.at(-1)];
  const about = Math.max(1, Math.min(5, Math.floor(width / 120)));
  const times = found.isTime ? timesBetween(from, to, (to - from) / about)
    : [...new Set(priceMarks({ low: from + 1, high: to + 1 }, about)
      .map(({ price }) => Math.round(price) - 1))];
  const texts = found.isTime ? marksText(times) : times.map((place) => count(place + 1));
  times.forEach((time, index) => {
    ink.fillStyle = color("line");
    ink.fillRect(Math.round(x(time)), 0, 1, tall + 4);
    ink.fillStyle = color("muted");
    if (x(time) < width - 80) ink.fillText(texts[index], x(time) + 4, tall + 15);
  });
}

function save() {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(
    new Blob([csvOf(state.columns, state.rows)], { type: "text/csv" }));
  anchor.download = "answer.csv";
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
}

function turn(step) {
  state.first += step * pageRows;
  show();
}

field("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
field("sql").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    ask();
  }
});
field("ready").addEventListener("change", () => {
  if (field("ready").value) field("sql").value = field("ready").value;
});
field("stop").addEventListener("click", () => stop());
for (const [id, step] of [["earlier", -1], ["later", 1]]) {
  field(id).addEventListener("click", () => { if (isAble(field(id))) turn(step); });
}
for (const id of ["as-grid", "as-line"]) {
  field(id).addEventListener("click", () => {
    state.asLine = id === "as-line";
    show();
  });
}
field("csv").addEventListener("click", () => { if (isAble(field("csv"))) save(); });
const drawAgain = () => { if (state.asLine) show(); };
dark.addEventListener("change", drawAgain);
window.addEventListener("resize", drawAgain);
window.addEventListener("pagehide", () => stop({ keepalive: true }));

show();
askWho();
setInterval(askWho, meEvery);
start(showMay);
