// The strip at the top of each page: the verdict, what this deployment is, the clock, and how new
// all this is. The navigation says where something is wrong. On the first page it fills the list of
// the verdict as well.

import {
  follow, age, doubt, first, isStale, span, put, element, resized, wallNow, within,
} from "./live.js";
import { isLocal, onZone, switchZone, timeOf, zoneName } from "./clock.js";
import { keyHeader } from "./signin.js";

// Where a trouble is seen.
export const pageNames = { "./": "Overview", gaps: "Gaps", partitions: "Partitions",
  store: "Store", dead: "Dead letters", feeds: "Feeds", actions: "Actions" };
const meEvery = 30000;
// More sources than there is room for are counted by their kinds.
const sourcesShownMax = 3;
const title = document.title;
const signs = { good: "●", quiet: "◌", unknown: "?", warning: "▲", bad: "✕" };
/** @type {NodeListOf<HTMLAnchorElement>} */
const places = document.querySelectorAll(".side a");
let said = "";

// The server's lines about now, unless something of it has grown old on the way.
function verdict(look) {
  const reason = doubt();
  if (reason) return [{ level: "unknown", text: `NOT KNOWN: ${reason}` }];
  const old = look.edges.filter((edge) => edge.at !== undefined
    && !["dead", "unknown"].includes(edge.state) && isStale(edge));
  const lines = old.map((edge) => ({
    level: "unknown",
    text: `NOT KNOWN: no news of ${edge.from} to ${edge.to} for ${span(age(edge.at))}`,
  }));
  const told = look.verdict.filter((line) => !line.lost);
  return lines.length ? lines.concat(told.filter((line) => line.level !== "good")) : told;
}

function showMood(lines) {
  const [worst] = lines;
  const mood = element("mood");
  put(element("mood-count"), lines.length > 1 ? `1 of ${lines.length}` : "");
  put(mood, worst.text, worst.level);
  // There may be no room for all of it.
  const all = lines.map((line) => line.text).join("\n");
  if (mood.title !== all) mood.title = all;
  // A page that nobody sees now is told apart by its tab.
  const own = `${signs[worst.level]} ${title}`;
  if (document.title !== own) document.title = own;
}

// How long what is lost today was, which the first page says in full.
function showLost(look) {
  const line = look && look.verdict.find((one) => one.lost);
  const link = element("lost-link");
  link.hidden = !line;
  if (!line) return;
  const [, time] = /^LOST TODAY: (.+?) of /.exec(line.text) || [];
  put(link, time ? `▲ ${time} lost` : "▲ lost today");
  if (link.title !== line.text) link.title = line.text;
}

// Each page of the navigation has the worst sign of the lines that it shows, and their count.
function showPlaces(lines) {
  for (const place of places) {
    const own = lines.filter(({ level, page }) => page === place.getAttribute("href")
      && ["warning", "bad"].includes(level));
    const level = own.some((line) => line.level === "bad") ? "bad" : own.length ? "warning" : "";
    const sign = level && signs[level] + (own.length > 1 ? own.length : "");
    if ((place.dataset.sign || "") !== sign) {
      [place.dataset.sign, place.dataset.level] = [sign, level];
    }
    const text = own.map((line) => line.text).join("\n");
    if (place.title !== text) place.title = text;
  }
}

// A link stays while the words beside it change, so that it can be pressed.
function anchor(parent, index, address, text) {
  let own = parent.children[index];
  if (!own) {
    own = document.createElement("a");
    parent.append(own);
  }
  if (own.getAttribute("href") !== address) own.setAttribute("href", address);
  put(own, text);
}

// A sentence, the page that shows its subject, and its runbook.
function showLine(item, line) {
  if (!item.firstElementChild) item.replaceChildren(document.createElement("span"));
  put(item.firstElementChild, line.text);
  if (item.className !== line.level) item.className = line.level;
  const links = [
    ...(line.page && line.page !== "./" ? [[line.page, `→ ${pageNames[line.page]}`]] : []),
    ...(line.runbook ? [[`runbook-${line.runbook}`, `Runbook ${line.runbook}`]] : []),
  ];
  links.forEach(([address, text], index) => anchor(item, index + 1, address, text));
  while (item.children.length > links.length + 1) item.lastElementChild.remove();
}

function showVerdict(list, lines) {
  const items = resized(list, lines.length);
  lines.forEach((line, index) => showLine(items[index], line));
}

// A person who cannot see hears a change of the verdict, and not each second of an age.
function announce(line) {
  const what = line.text.replace(/[0-9.,]+/g, "#");
  if (what === said) return;
  said = what;
  element("announce").textContent = line.text;
}

function kinds(sources) {
  const text = (source) => `${source.name} ${source.kind || "of unknown kind"}`;
  if (sources.length <= sourcesShownMax) return sources.map(text).join(" · ");
  const counts = new Map();
  for (const { kind } of sources) counts.set(kind, (counts.get(kind) || 0) + 1);
  const parts = [...counts].map(([kind, count]) => `${count} ${kind || "of unknown kind"}`);
  return `${sources.length} sources: ${parts.join(", ")}`;
}

function showClock() {
  const now = wallNow();
  const text = now === undefined ? "–" : timeOf(now).slice(11);
  put(element("clock"), `${text} ${isLocal() ? "local" : "UTC"}`);
  put(element("zone"), isLocal() ? "UTC" : "Local time");
  put(element("zone-words"), zoneName());
}

function showLink(look) {
  const reason = doubt();
  const text = reason ? `not live: ${reason}` : `live, ${span(age(look.now))} old`;
  put(element("link"), text, reason ? "unknown" : "good");
}

async function askWho() {
  if (document.hidden) return;
  let me = {};
  try {
    const answer = await fetch("me.json", { headers: keyHeader(), signal: within(3000) });
    if (answer.ok) me = await answer.json();
  } catch {
    // Nobody is named while the cockpit does not answer.
  }
  put(element("person"), me.person || "");
  put(element("stack"), me.stack ? `stack ${me.stack}` : "");
}

element("zone").addEventListener("click", switchZone);
onZone(showClock);
first(askWho());
setInterval(askWho, meEvery);

follow((look) => {
  const lines = verdict(look);
  showMood(lines);
  showPlaces(lines);
  const list = document.getElementById("verdict");
  if (list) showVerdict(list, lines);
  announce(lines[0]);
  showLost(look);
  put(element("origins"), look ? kinds(look.sources) : "");
  showClock();
  showLink(look);
});
