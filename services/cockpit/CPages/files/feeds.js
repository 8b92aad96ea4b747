// The page of the feeds: whether each delivers, how old the newest tick of each instrument is, and
// what the providers' limits hold back.

import { startWith, age, ago, isStale, put, doubt, element, short, count } from "./live.js";
import { fill, list } from "./table.js";
import { drawGrid } from "./matrix.js";

const marks = {
  delivers: ["●", "flows"], quiet: ["◌", "quiet"], connecting: ["◌", "warning"],
  waits: ["▲", "warning"], failed: ["✕", "bad"], "stands-by": ["◌", "quiet"],
  ended: ["◌", "quiet"], closed: ["◇", "quiet"], unknown: ["?", "unknown"],
};
const bands = [5, 60, 600, 3600];

function state(source, feed) {
  if (feed.state !== "unknown" && isStale(source)) {
    return [`? not known: ${doubt() || "the answer is old"}`, "unknown"];
  }
  const [mark, kind] = marks[feed.state] || marks.unknown;
  return [`${mark} ${feed.words}`, kind];
}

function advice(feed) {
  const page = feed.runbook ? ` (docs/runbooks/${feed.runbook}.md)` : "";
  return feed.advice ? `${feed.advice}${page}` : "–";
}

function showFeeds(sources) {
  const all = sources.flatMap((source) => source.feeds.map((feed) => ({ source, feed })));
  list(element("feeds"), all, ({ source }) => isStale(source), ({ source, feed }) => [
    source.name, feed.provider, state(source, feed),
    [feed.counts, ...feed.troubles].filter((text) => text).join("; ") || "–",
    advice(feed), ago(source.at),
  ]);
}

function words(look, news, sources) {
  if (!look || isStale(news)) {
    const why = doubt() || (look && news.sources !== undefined && news.at === undefined
      ? "no service is named (COCKPIT_SERVICES)" : "the answer is old");
    return [`Not known: ${why}.`, "unknown"];
  }
  const feeds = sources.flatMap((source) => source.feeds.map((feed) =>
    (isStale(source) ? "unknown" : feed.state)));
  const among = (...kinds) => feeds.filter((kind) => kinds.includes(kind)).length;
  const more = news.hidden ? ` ${news.hidden} more sources are not shown.` : "";
  const rest = `${among("delivers")} of ${feeds.length} feeds deliver.${more}`;
  if (among("failed")) return [`${among("failed")} failed. ${rest}`, "bad"];
  if (among("waits", "connecting")) {
    return [`${among("waits", "connecting")} are not connected. ${rest}`, "warning"];
  }
  if (among("unknown")) return [`${among("unknown")} are not known. ${rest}`, "unknown"];
  const closed = among("closed") ? ` ${among("closed")} are closed.` : "";
  return [rest + closed,
    feeds.length && !news.hidden && among("delivers") === feeds.length
      ? "good" : "quiet"];
}

function showAges(sources) {
  const known = sources.filter((source) => source.instruments !== undefined);
  list(element("ages"), known, isStale, (source) => {
    const counts = new Map(source.ages);
    return [
      source.name, count(source.instruments),
      ...bands.map((band) => (counts.has(band) ? count(counts.get(band)) : "–")),
      count(source.older), count(source.never),
    ];
  });
}

// A tick that is not there has no time.
function shape(source, newest) {
  if (isStale(source)) return { form: "cross", color: "muted" };
  // What a market does while it is closed says nothing about its feed.
  if (source.closed) {
    return { form: newest === undefined ? "outline" : part(newest), color: "muted" };
  }
  if (newest === undefined) return { form: "outline", color: "warning" };
  const form = part(newest);
  return { form, color: form === 1 ? "good" : form === 0.08 ? "warning" : "accent" };
}

function part(newest) {
  const place = bands.findIndex((band) => age(newest) <= band);
  return place < 0 ? 0.08 : [1, 0.75, 0.5, 0.25][place];
}

function showHeat(sources, rows) {
  const lines = rows.map((row) => ({
    name: row.symbol,
    cells: row.cells.map(([number, newest]) =>
      ({ column: number, ...shape(sources[number], newest) })),
  }));
  drawGrid(element("heat"), lines, sources.length,
    { heads: sources.map((source) => source.name) });
}

function showPairs(sources, rows) {
  const pairs = rows.flatMap((row) => row.cells.map(([number, newest]) => {
    const source = sources[number];
    const isOld = isStale(source);
    const text = newest === undefined ? "none yet" : ago(newest);
    const isNew = newest !== undefined && age(newest) <= bands[0] && !source.closed;
    return {
      kind: isOld ? "stale" : "",
      cells: [row.symbol, source.name,
        [isOld ? `? ${text} (old)` : isNew ? `● ${text}` : `◌ ${text}`,
          isOld ? "unknown" : isNew ? "flows" : ""]],
    };
  }));
  fill(element("pairs"), pairs);
  const all = sources.reduce((sum, source) => sum + (source.instruments || 0), 0);
  put(element("shown"), all
    ? `${pairs.length} of ${all} pairs of an instrument and a source are listed: those `
      + "whose newest tick is the oldest." : "No gateway has said it yet.");
}

function showLimits(sources) {
  const rows = sources.flatMap((source) => source.feeds.flatMap((feed) => {
    const kind = isStale(source) ? "stale" : "";
    const limits = feed.limits.map((limit) => ({
      kind,
      cells: [
        source.name, feed.provider, limit.name, `${limit.used}`,
        limit.max === undefined ? "not stated" : `${limit.max}`,
        [`${limit.waiting}`, limit.waiting && !kind ? "waits" : ""],
        limit.until ? `the last goes at ${short(limit.until)}` : "–", limit.reason || "–",
      ],
    }));
    if (!feed.waiting) return limits;
    return [...limits, {
      kind,
      cells: [source.name, feed.provider, "requests that are paced", "–", "–",
        [`${feed.waiting}`, kind ? "" : "waits"],
        feed.next ? `the next goes at ${short(feed.next)}` : "–", "–"],
    }];
  }));
  fill(element("limits"), rows);
}

startWith("feeds.json", (look, news) => {
  const sources = (look && news.sources) || [];
  const rows = (look && news.rows) || [];
  put(element("words"), ...words(look, news, sources));
  showFeeds(sources);
  showAges(sources);
  showHeat(sources, rows);
  showPairs(sources, rows);
  showLimits(sources);
});
