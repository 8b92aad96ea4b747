// The link to the server, and the ages of all that came by it. Nothing may look alive that is not:
// everything here errs on the side of "not known".

import { Stream, SharedStream } from "./stream.js";

// Ages are those of the server's monotonic clock. The browser's own one goes on while
// nothing comes. The least delay that an event ever had tells how the two belong together,
// so an event that was held up on its way is as old as it is.
const limit = 2.5;
const tick = 250;
const windowLength = 300;
// So long after its scripts have come a page shows itself also without answers.
const patience = 1500;
const begun = performance.now();
const state = {
  stream: null, id: "", connection: 0, distrusted: 0, isRefused: false, pages: undefined,
  awaited: 0,
  look: null, instance: "", offsets: [], heard: 0, stood: 0, checked: -1,
  wall: 0, doubt: "waiting for the first news", past: [], renderers: [],
};

const seconds = () => performance.now() / 1000;

function noteOffset(offset, now) {
  const newest = state.offsets.at(-1);
  if (!newest || now - newest.since > windowLength) {
    state.offsets.push({ since: now, least: offset });
    if (state.offsets.length > 2) state.offsets.shift();
  } else if (offset < newest.least) newest.least = offset;
}

function serverNow() {
  return seconds() - Math.min(...state.offsets.map((part) => part.least));
}

// The age of what was measured at this time of the server's clock.
export function age(at) {
  return at === undefined || !state.offsets.length ? Infinity : serverNow() - at;
}

// Why nothing can be trusted now. Empty: it can.
export function doubt() {
  if (state.stood >= 2) return "the browser's clock stands still";
  if (!state.look) return state.doubt;
  const silence = age(state.look.now);
  if (silence <= limit) return state.doubt;
  const refusal = state.isRefused ? ", which refuses: load the page again" : "";
  return `no news from the cockpit for ${span(silence)}${refusal}`;
}

export function isStale(part) {
  return doubt() !== "" || !(age(part.at) <= (part.limit ?? limit));
}

export function span(value) {
  if (!Number.isFinite(value)) return "ever";
  const whole = Math.max(0, value);
  if (whole < 10) return `${whole.toFixed(1)} s`;
  if (whole < 120) return `${Math.round(whole)} s`;
  if (whole < 7200) return `${Math.round(whole / 60)} min`;
  if (whole < 172800) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86400)} d`;
}

function take(data, id, connection) {
  // A stream that was opened again begins with what the page has already.
  if (id === state.id || connection <= state.distrusted) return;
  [state.id, state.connection, state.isRefused] = [id, connection, false];
  let look;
  try { look = JSON.parse(data); } catch { return; }
  // This page is of the cockpit before; what it shows is in its address.
  if (state.pages !== undefined && state.pages !== look.pages) location.reload();
  state.pages = look.pages;
  const instance = id.split(".")[0];
  const now = seconds();
  if (instance !== state.instance) {
    state.instance = instance;
    state.offsets = [];
    state.past = [];
  } else if (state.look && look.now <= state.look.now) {
    state.doubt = "the server's clock stands still";
    return render();
  }
  state.doubt = wallDoubt(look);
  state.look = look;
  state.heard = now;
  state.wall = Date.now();
  noteOffset(now - look.now, now);
  render();
}

// The clock of the day has to go as fast as the monotonic one.
function wallDoubt(look) {
  const wall = Date.parse(look.time) / 1000;
  state.past.push({ now: look.now, wall });
  while (state.past.length > 1 && look.now - state.past[0].now > 3) state.past.shift();
  const first = state.past[0];
  const drift = Math.abs((wall - first.wall) - (look.now - first.now));
  return drift > 1 ? "the server's clock of the day stands still or jumped" : "";
}

// Finds a browser whose clock stands, or that slept with its computer.
function watchClock() {
  const now = performance.now();
  state.stood = now === state.checked ? state.stood + 1 : 0;
  state.checked = now;
  const passed = seconds() - state.heard;
  const slept = Math.abs((Date.now() - state.wall) / 1000 - passed) > 2;
  if (state.look && slept) {
    state.look = null;
    state.offsets = [];
    state.doubt = "the computer slept, or its clock was set";
    state.distrusted = state.connection;
    if (!document.hidden) state.stream.renew(state.connection);
  }
  keepStream();
  render();
}

function refuse() {
  state.isRefused = true;
  if (!state.look) state.doubt = "the cockpit refuses: load the page again";
}

// Where pages cannot share a stream, each has its own while somebody sees it.
function makeStream() {
  const own = () => {
    if (state.stream instanceof Stream) return;
    [state.stream, state.distrusted] = [new Stream(take, refuse), 0];
  };
  if (typeof SharedWorker === "undefined") return own();
  try { state.stream = new SharedStream(take, refuse, own); } catch { own(); }
}

function keepStream() {
  if (!document.hidden) state.stream.keep();
}

// What nobody sees needs no news.
function turnStream() {
  if (document.hidden) return state.stream.close();
  keepStream();
  render();
}

// Nothing moves below the eyes of who reads: a page shows itself when its first answers are there.
function render() {
  for (const draw of state.renderers) draw(state.look);
  if ((state.look && !state.awaited) || performance.now() - begun > patience) {
    document.body.classList.remove("waits");
  }
}

// The answer to what the page wants to know first.
export async function first(answer) {
  state.awaited += 1;
  try { return await answer; } finally {
    state.awaited -= 1;
    if (document.body.classList.contains("waits")) render();
  }
}

// A part of the page by its id.
/** @typedef {HTMLInputElement & HTMLSelectElement & HTMLTemplateElement} Field */
export function element(id) {
  return /** @type {Field} */ (document.getElementById(id));
}

// The question in these fields, as a query, which the address of the page gets, too: others may be
// given it.
export function question(names) {
  const query = new URLSearchParams();
  for (const name of names) {
    const value = element(name).value.trim();
    if (value) query.set(name, value);
  }
  history.replaceState(null, "", `?${query}`);
  return query;
}

// Ends a question that takes longer. The checker of types does not know it.
export function within(milliseconds) {
  return /** @type {any} */ (AbortSignal).timeout(milliseconds);
}

// The parts of a list, of which there are so many now.
/** @param {HTMLElement} list @param {number} count @param {() => HTMLElement} make */
export function resized(list, count, make = () => document.createElement("li")) {
  while (list.children.length > count) list.lastChild.remove();
  while (list.children.length < count) list.append(make());
  return list.children;
}

export function put(element, text, kind) {
  if (element.textContent !== text) write(element, text);
  if (kind !== undefined && element.className !== kind) element.className = kind;
}

// The runbooks that a text names are links to their pages. A link stays while words around it
// change, so that it can be pressed.
function write(element, text) {
  const parts = `${text}`.split(/docs\/runbooks\/([A-Za-z]+)\.md/);
  const named = (name) => `runbook ${name}`;
  if (parts.length === 1) { element.textContent = text; return; }
  const nodes = element.childNodes;
  const isSame = nodes.length === parts.length && parts.every((part, index) =>
    index % 2 === 0 || nodes[index].textContent === named(part));
  if (!isSame) {
    element.replaceChildren(...parts.map((part, index) => {
      if (index % 2 === 0) return document.createTextNode(part);
      const anchor = document.createElement("a");
      anchor.href = `runbook-${part}`;
      anchor.textContent = named(part);
      return anchor;
    }));
    return;
  }
  parts.forEach((part, index) => {
    if (index % 2 === 0 && nodes[index].textContent !== part) nodes[index].textContent = part;
  });
}

// A document of a page, which is as new as each event. One that does not come grows old as
// everything does; one that is the same is not sent again. A function may name the path;
// nothing is asked while it names none.
export function documentAt(path) {
  const empty = (name) =>
    ({ path: name, value: {}, busy: false, asked: 0, instance: "", tag: "" });
  let part = empty("");
  async function ask(own, look) {
    [own.busy, own.asked] = [true, look.now];
    const instance = state.instance;
    try {
      const headers = own.tag ? { "If-None-Match": own.tag } : {};
      const answer = await fetch(own.path, { headers, signal: within(2000) });
      // 400: the answer says what is wrong with the question.
      if (answer.ok || answer.status === 400) {
        [own.value, own.tag] = [await answer.json(), answer.headers.get("ETag") || ""];
      }
      if (answer.ok || [304, 400].includes(answer.status)) own.instance = instance;
    } catch {
      // The next look asks again.
    }
    own.busy = false;
  }
  return (look) => {
    const named = typeof path === "function" ? path() : path;
    if (named !== part.path) part = empty(named);
    if (look && named && !part.busy && look.now !== part.asked) {
      if (part.asked) ask(part, look);
      else first(ask(part, look));
    }
    return look && part.instance === state.instance ? part.value : {};
  };
}

// The same for a page with one document.
export function startWith(path, draw) {
  const news = documentAt(path);
  start((look) => draw(look, news(look)));
}

// A time of the server without the parts of its seconds.
export const short = (time) =>
  (time && time.length > 20 ? `${time.slice(0, 19)}Z` : time || "–");

// A count with its thousands apart.
export const count = (number) => number.toLocaleString("en");

export const ago = (at) => (Number.isFinite(age(at)) ? `${span(age(at))} ago` : "never");

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < 4) { value /= 1024; unit += 1; }
  return `${value < 10 && unit ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

// The seconds since 1970 at the server now.
export function wallNow() {
  return state.look ? Date.parse(state.look.time) / 1000 + age(state.look.now) : undefined;
}

// Calls the function with the newest look, four times a second and with each event, once the
// page's own part has started.
export function follow(draw) { state.renderers.push(draw); }

// The page's own part.
export function start(draw) {
  follow(draw);
  [state.heard, state.wall] = [seconds(), Date.now()];
  makeStream();
  turnStream();
  document.addEventListener("visibilitychange", turnStream);
  setInterval(watchClock, tick);
  render();
}
