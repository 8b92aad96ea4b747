// The first page: whether all is well, the way of a tick, numbers, processes and services.

import {
  start, age, ago, isStale, span, put, doubt, bytes, count, documentAt, element,
} from "./live.js";
import { fill, list } from "./table.js";
import { stateOf, symbols } from "./edges.js";
import { showFigures, watchCursor } from "./figures.js";

const lines = documentAt("lines.json");
let past = {};
// The document of the lines changes when a slot of theirs ends.
const linesEvery = 5.5;
const startedMax = 900;

// A step has only what it can have.
const orNone = (text) => (text === "–" ? ["–", "none"] : text);

function rate(edge) {
  if (edge.rate === undefined) return "–";
  const value = edge.rate < 10 ? edge.rate.toFixed(1)
    : count(Math.round(edge.rate));
  return `${value} ${edge.unit}`;
}

function behind(edge) {
  if (edge.lag_records === undefined) return "–";
  const time = edge.lag_seconds === undefined ? "" : `${span(edge.lag_seconds)}, `;
  return `${time}${count(edge.lag_records)} records`;
}

// Steps beside each other are at the same place of the way.
function placeOf(edge) {
  if (edge.id.startsWith("source:")) return 1;
  if (edge.id === "bars") return 3;
  if (edge.id === "database") return 5;
  return /^reader:store(-|$)/.test(edge.id) ? 4 : 2;
}

// The table is the picture: a step is a card at its place.
function showEdges(edges) {
  fill(element("edges"), edges.map((edge) => {
    const [state, words] = stateOf(edge);
    const isOld = ["unknown", "dead"].includes(state);
    return {
      kind: `place-${placeOf(edge)} step-${state}${isOld ? " stale" : ""}`,
      cells: [
        edge.from, edge.to, [`${symbols[state]} ${words}`, state], orNone(rate(edge)),
        orNone(behind(edge)), orNone(edge.newest === undefined ? "–" : ago(edge.newest)),
        ago(edge.at),
      ],
    };
  }));
}

function showMembers(members) {
  list(element("members"), members, isStale, (member) => {
    const isOld = isStale(member);
    const isReady = member.state === "ready";
    const words = member.drain ? `${member.state} ${member.drain}` : member.state;
    const state = isOld ? "✕ silent" : `${isReady ? "●" : "◌"} ${words}`;
    const kind = isOld ? "dead" : isReady ? "flows" : "quiet";
    return [
      member.name, member.group, [state, kind], `${member.held}`, member.release,
      ago(member.at),
    ];
  });
}

// A process that was started again a moment ago says so.
function runsFor(service) {
  if (service.uptime === undefined) return "–";
  const seconds = service.uptime + age(service.at);
  return seconds < startedMax ? `started ${span(seconds)} ago` : span(seconds);
}

function showServices(services) {
  const isOldRound = isStale(services);
  const words = element("services-words");
  if (isOldRound) {
    put(words, `Not known: ${services.absence || doubt() || "old"}.`, "unknown");
  } else if (!services.items.length) {
    put(words, "No service is named (COCKPIT_SERVICES).", "");
  } else put(words, `Asked ${ago(services.at)}.`, "");
  fill(element("pages"), services.items.map((service) => {
    const isOld = isOldRound || isStale(service);
    const isGood = service.ready && !isOld;
    const kind = isOld ? "unknown" : service.ready ? "flows" : "bad";
    const text = isOld ? "? not known" : service.ready ? "● ready" : "✕ not ready";
    const feeds = service.providers.map((one) =>
      `${one.name}: ${one.connected ? "connected" : "not connected"}`
      + (one.feeds ? `, ${one.feeds}` : ""));
    return {
      kind: isGood ? "" : isOld ? "stale" : "",
      cells: [service.address, service.name || "–", [text, kind], runsFor(service),
        service.words || "–", feeds.join("; ") || "–", ago(service.at)],
    };
  }));
}

function showStreams(streams) {
  list(element("streams"), streams.items, isStale(streams), (stream) => [
    stream.name, bytes(stream.bytes),
    stream.max_bytes === undefined ? "no limit" : bytes(stream.max_bytes),
    stream.free_percent === undefined ? "–" : `${stream.free_percent} %`,
  ]);
}

// What nothing will fill any more, apart from what is wrong now.
function showLost(look) {
  const place = element("lost");
  const line = look && look.verdict.find((one) => one.lost);
  if (line) return put(place, line.text.replace("LOST TODAY: ", ""), "warning");
  if (!look || isStale(look.gaps)) {
    const why = doubt() || look.gaps.absence || "the answer is old";
    return put(place, `Not known: ${why}.`, "unknown");
  }
  put(place, "Nothing of today.", "quiet");
}

start((look) => {
  if (!look || !(age(past.at) < linesEvery)) past = lines(look);
  showLost(look);
  if (!look) return forget();
  showEdges(look.edges);
  showFigures(look, past);
  showMembers(look.members);
  showServices(look.services);
  showStreams(look.streams);
});

// Nothing that was shown before counts any more.
function forget() {
  for (const id of ["edges", "members", "pages", "streams"]) {
    fill(element(id), []);
  }
  showFigures(null, {});
}

watchCursor();
