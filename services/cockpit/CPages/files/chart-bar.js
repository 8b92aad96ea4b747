// What is known of one bar of a chart: its versions, the gaps about it, its ticks and commands.

import { doubt, element, isStale, put, resized } from "./live.js";
import { list } from "./table.js";
import { prices } from "./chart-words.js";
import { changesOf } from "./versions.js";

// Where the ticks of a bar begin on the tape.
export function ticksOf(shown, nanoseconds) {
  const at = new Date(Number(BigInt(nanoseconds) / 1_000_000n)).toISOString();
  return `tape?${new URLSearchParams({ input: "ticks", symbol: shown.symbol,
    source: shown.source, seek: "time", at, count: "16" })}`;
}

function showTicks(shown) {
  const link = /** @type {HTMLAnchorElement} */ (document.getElementById("ticks"));
  const isThere = /^\d+$/.test(shown.open || "");
  if (link.hidden === isThere) link.hidden = !isThere;
  const address = isThere ? ticksOf(shown, shown.open) : "tape";
  if (link.getAttribute("href") !== address) link.setAttribute("href", address);
}

// `shown` is what the page shows, `news` the newest document about the chosen bar.
export function showBar(shown, look, news) {
  const bar = (look && news.value) || { words: [], versions: [], gaps: [] };
  const isOld = !look || isStale(news);
  const why = doubt() || news.refused || news.absence || "the answer is old";
  const text = !shown.open
    ? ["No bar is chosen: click one in the picture, or press Enter in its row.", ""]
    : isOld ? [`Not known now${bar.name ? `: ${bar.name}` : ""}: ${why}.`, "unknown"]
      : [bar.name, ""];
  put(element("bar"), ...text);
  showTicks(shown);
  const facts = resized(element("facts"), bar.words.length);
  bar.words.forEach((word, index) => put(facts[index], word));
  const rows = bar.versions.map((version, index) => [version, bar.versions[index - 1]]);
  list(element("versions"), rows, isOld, ([version, before]) => [
    `${version.version}`, version.reason + (version.withdrawn ? ", void" : ""),
    before ? changesOf(before, version) : "–",
    ...prices(version), version.volume, `${version.trades}`,
    version.known || "not known", version.delay || "–", version.ordinal,
  ]);
  const hasNone = bar.name && !bar.gaps.length;
  list(element("gaps"), hasNone ? [null] : bar.gaps, isOld, (gap) => (gap
    ? [gap.kind, gap.state, gap.reason, gap.from, gap.to, gap.source, gap.noted]
    : ["none is recorded", ...Array(6).fill("–")]));
  for (const name of ["explain", "prove"]) {
    if (element(name).value !== (bar[name] || "")) element(name).value = bar[name] || "";
  }
}
