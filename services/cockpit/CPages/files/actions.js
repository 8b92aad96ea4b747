// The script of the page where people act.

import {
  startWith, age, first, isStale, span, put, doubt, element as $, short, within,
} from "./live.js";
import { list as show } from "./table.js";
import { watchCopies } from "./copy.js";
import { keyHeader } from "./signin.js";

const state = { person: "", on: false, armed: "", number: "", sentAt: 0, known: false,
  doubt: "", stack: "", place: $("said") };
// Whoever signed out elsewhere, or whose cookie is over, is noticed within this time.
const meEvery = 10000;
// An action that has no outcome after this time was cut off.
const openSeconds = 300;
const stages = {
  asked: ["◌ under way", "warning"], done: ["✓ done", "good"],
  refused: ["✕ refused", "bad"], failed: ["✕ failed", "bad"],
  pending: ["◌ not done yet", "warning"],
};

// MARK: who

async function askWho() {
  const before = `${state.known} ${state.on} ${state.person}`;
  try {
    const answer = await fetch("me.json",
      { headers: keyHeader(), signal: within(3000) });
    // 401: whoever reads has to say who he is again.
    const me = answer.ok ? await answer.json() : { on: state.on };
    [state.person, state.on, state.known] = [me.person || "", me.on, true];
    state.stack = me.stack || "";
  } catch {
    [state.person, state.known] = ["", false];
  }
  if (before !== `${state.known} ${state.on} ${state.person}`) showWho();
}

function showWho() {
  if (!state.known || state.doubt) {
    put($("me"), `Not known: ${state.doubt || "the cockpit does not answer"}.`, "unknown");
    return arm("");
  }
  $("signin").hidden = !state.on || state.person !== "";
  $("leave").hidden = state.person === "";
  const words = !state.on
    ? ["Actions are switched off (COCKPIT_ACTIONS). The commands below can be copied.", ""]
    : state.person ? [`You are ${state.person}.`, "good"]
      : ["Nobody is signed in, so nothing can be carried out from here.", "warning"];
  put($("me"), ...words);
  // Commands name the stack, which is known from now on.
  showForm();
  showMay();
}

// MARK: the command

const value = (id) => $(id).value.trim();
const list = (id) => value(id).split(",").map((part) => part.trim()).filter(Boolean);
const option = (name, text) => (text ? [`--${name}`, text] : []);

const words = {
  add: () => [
    "watchlist", "add", ...list("symbols"), ...option("source", value("source")),
    ...list("more").flatMap((part) => {
      const [key, ...rest] = part.split("=");
      return [`--${key.trim().replaceAll("_", "-")}`, rest.join("=").trim()];
    }),
  ],
  remove: () => [
    "watchlist", "remove", ...list("symbols"), ...option("source", value("source")),
  ],
  repair: () => [
    "repair", value("symbol"), ...option("source", value("source")),
    ...option("from", value("from")), ...option("to", value("to")),
    ...option("reason", value("cause")),
  ],
  replay: () => {
    const chosen = [
      ...list("ids"), ...option("reason", value("kind")), ...option("sink", value("sink")),
    ];
    return ["dlq", "replay", ...chosen, ...(value("all") ? ["--all"] : [])];
  },
  drain: () => [
    "member", "drain", value("member"),
    ...list("groups").flatMap((group) => ["--group", group]),
    ...(value("force") ? ["--force"] : []),
  ],
  release: () => ["member", "release", value("member")],
};
const canTry = new Set(["repair", "replay"]);
// What these take away is not there until a person brings it back.
const ending = new Set(["remove", "drain"]);

function quoted(word) {
  return /^[A-Za-z0-9_\-./:,@+=]+$/.test(word) ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}

// What a person who has no cockpit would type.
function typed(list) {
  return ["tapeline", ...list, ...option("name", state.stack)].map(quoted).join(" ");
}

function command(verb) {
  const extra = { add: ["--note"], remove: ["--note"], repair: ["--note"],
    drain: ["--reason"] }[verb];
  return typed([...words[verb](), ...(extra ? [...extra, value("reason")] : [])]);
}

function question() {
  const to = value("release-to");
  return to ? ["may-i", "upgrade", value("subject"), "--to", to]
    : ["may-i", "restart", value("subject")];
}

function showMay() { $("may-command").value = typed(question()); }

function showForm() {
  const verb = $("verb").value;
  /** @type {NodeListOf<HTMLElement>} */
  const parts = document.querySelectorAll(".of");
  for (const part of parts) {
    part.hidden = !part.dataset.of.split(" ").includes(verb);
  }
  $("try").hidden = !canTry.has(verb);
  $("go").className = ending.has(verb) ? "primary ends" : "primary";
  $("command").value = command(verb);
  arm("");
}

// An action is carried out by the second press of its button.
function arm(text) {
  state.armed = text;
  put($("go"), text ? "Confirm: carry it out" : "Carry it out");
  const isOff = !state.on || !state.person;
  for (const id of ["go", "try"]) {
    if (isOff) $(id).setAttribute("aria-disabled", "true");
    else $(id).removeAttribute("aria-disabled");
  }
}

// MARK: sending

async function send(list, reason, place = $("said")) {
  // An answer is read beside its own question.
  if (state.place !== place) put(state.place, "", "");
  state.place = place;
  if (!state.person) {
    put(place, state.on ? "Sign in first." : "Actions are switched off.", "bad");
    return;
  }
  put(place, "It is sent.", "warning");
  try {
    const answer = await fetch("act", {
      method: "POST", headers: { "Content-Type": "application/json", ...keyHeader() },
      body: JSON.stringify({ words: list, reason }), signal: within(5000),
    });
    if (answer.status === 401) {
      state.person = "";
      showWho();
      put(place, "Sign in first: nothing was carried out.", "bad");
      return;
    }
    const news = await answer.json();
    if (news.refused) {
      put(place, `Refused: ${news.refused}.`, "bad");
      return;
    }
    [state.number, state.sentAt] = [news.number, performance.now()];
    put(place, "It is under way.", "warning");
  } catch {
    put(place, "Nobody knows whether it was sent: look at the records below.", "bad");
  }
}

$("may").addEventListener("submit", (event) => {
  event.preventDefault();
  send(question(), "", $("may-said"));
});
$("may").addEventListener("input", showMay);
$("try").addEventListener("click", () => {
  send([...words[$("verb").value](), "--dry-run"], value("reason"));
});
$("act").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = command($("verb").value);
  if (!value("reason")) {
    put($("said"), "Say why, so that others understand it later.", "bad");
    $("reason").focus();
    return;
  }
  if (state.armed !== text) {
    arm(text);
    put($("said"), `Press it again to carry out: ${text}`, "warning");
    return;
  }
  arm("");
  send(words[$("verb").value](), value("reason"));
});
for (const kind of ["input", "change"]) $("act").addEventListener(kind, showForm);

// MARK: what came of it

function stage(item, isOld, now) {
  if (isOld) return ["? not known", "unknown"];
  const age = now - Date.parse(item.time) / 1000;
  if (item.stage === "asked" && now && !(age < openSeconds)) {
    return ["? no outcome is on record", "bad"];
  }
  return stages[item.stage] || [item.stage, ""];
}

function showOwn(news) {
  if (!state.number || !news.sent) return;
  const own = news.sent.find((item) => item.number === state.number);
  if (own && own.stage === "asked") return;
  if (!own) {
    // A cockpit that was started again knows nothing of it.
    if (performance.now() - state.sentAt < 10000) return;
    state.number = "";
    put(state.place, "What came of it is not known: the cockpit was started again. Look at "
      + "the records below.", "bad");
    return;
  }
  state.number = "";
  put(state.place, `${stages[own.stage][0]}: ${own.lines.join("\n")}`, stages[own.stage][1]);
}

function showCarrier(look, news) {
  const carrier = look && news.carrier;
  if (!carrier) return put($("carrier"), `Not known: ${doubt() || "no news"}.`, "unknown");
  if (!news.on) return put($("carrier"), "Actions are switched off.", "");
  if (!isStale(carrier)) {
    const count = carrier.not_taken;
    return put($("carrier"), "A process is there that carries actions out."
      + (count ? ` Since its start ${count} messages came there that no cockpit had made: `
        + "look at its log." : ""), count ? "warning" : "good");
  }
  const why = doubt() || carrier.absence || "the answer is old";
  put($("carrier"), `Nobody carries actions out now: ${why}. Is 'tapeline actions serve' `
    + "running?", "bad");
}

function showHistory(look, news) {
  const history = look && news.history;
  const isOld = !history || isStale(history);
  put($("words"), isOld
    ? `Not known: ${doubt() || (history && history.absence) || "no news"}.`
    : `The newest ${news.items.length} actions of the last 30 days. Asked `
      + `${span(age(history.at))} ago.`,
  isOld ? "unknown" : "");
  const now = look ? Date.parse(look.time) / 1000 : 0;
  show($("items"), (look && news.items) || [], isOld, (item) => [
    short(item.time), item.person, item.origin, item.command, item.reason,
    stage(item, isOld, now), item.outcome || "–",
  ]);
}

// A link may say what is to be done: actions?do=drain&member=worker-3.
function prefill() {
  // Signing in leads back without what the address had said.
  const kept = sessionStorage.getItem("asked") || "";
  sessionStorage.removeItem("asked");
  const given = new URLSearchParams(location.search || kept);
  const verb = given.get("do");
  if (verb && words[verb]) $("verb").value = verb;
  for (const [name, text] of given) {
    const field = $(name);
    if (name !== "do" && field && field.closest(".of, #may")) field.value = text;
  }
}

watchCopies($("said"));
prefill();
showForm();
showMay();
first(askWho());
setInterval(askWho, meEvery);
$("signin").addEventListener("submit", () => {
  sessionStorage.setItem("asked", location.search);
});

startWith("actions.json", (look, news) => {
  if (state.doubt !== doubt()) {
    state.doubt = doubt();
    showWho();
  }
  const isOld = !look || isStale(news);
  show($("sent"), (look && news.sent) || [], isOld, (item) => [
    short(item.time), item.person, item.command, item.reason || "–", stage(item, isOld, 0),
    item.lines.join("\n") || "–",
  ]);
  if (look) showOwn(news);
  showCarrier(look, news);
  showHistory(look, news);
});
