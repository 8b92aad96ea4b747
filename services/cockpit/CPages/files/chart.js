// The page of the bars: candles of one symbol, source and series, with the versions that were
// replaced, and what is known of each bar.

import { start, documentAt, age, isStale, span, put, doubt, element, resized } from "./live.js";
import { fill, list } from "./table.js";
import { watchCopies } from "./copy.js";
import { drawCandles, barAt } from "./candles.js";

const nothing = { bars: [], prices: [], times: [], slots: 1, volume_max: "0" };
// What the page shows: parameters of its address.
const shown = Object.fromEntries(new URLSearchParams(location.search));
// A time of the form's field has no zone.
if (shown.from && !/(Z|[+-]\d\d:\d\d)$/.test(shown.from)) shown.from += "Z";
const drawn = { chart: nothing, table: {}, choices: {}, instead: "" };

function query(names) {
  const pairs = names.filter((name) => shown[name]).map((name) => [name, shown[name]]);
  return new URLSearchParams(pairs).toString();
}

const series = ["symbol", "source", "series"];
const isWhole = () => series.every((name) => shown[name]);
const choices = documentAt(() => {
  const symbol = new URLSearchParams({ symbol: element("symbol").value });
  return `chart-choices.json?${symbol}&${query(["from"])}`;
});
const page = documentAt(() => (isWhole()
  ? `chart.json?${query([...series, "from"])}` : ""));
const known = documentAt(() => (isWhole() && shown.open
  ? `chart-bar.json?${query([...series, "open", "number"])}` : ""));

const address = (bar) => `chart?${query([...series, "from"])}&open=${bar.open_ns}`
  + `&number=${bar.number}`;

function go(change) {
  Object.assign(shown, change);
  const own = query([...series, "from", "open", "number"]);
  history.replaceState(null, "", own ? `chart?${own}` : "chart");
  const from = Date.parse(shown.from || "");
  element("from").value = Number.isNaN(from)
    ? "" : new Date(from).toISOString().slice(0, 19);
}

function fillSelect(select, values, wanted) {
  const all = [...new Set(wanted ? [...values, wanted] : values)].sort();
  const own = [...select.options].map((option) => option.value);
  if (all.join("\n") === own.join("\n")) return;
  const chosen = select.value;
  select.replaceChildren(...all.map((value) => new Option(value, value)));
  select.value = all.includes(chosen) ? chosen : wanted || all[0] || "";
}

function showChoices(news) {
  drawn.choices = news;
  const found = news.value;
  if (!found) return;
  const list = element("symbols");
  const names = found.symbols.join("\n");
  if (list.dataset.names !== names) {
    list.dataset.names = names;
    list.replaceChildren(...found.symbols.map((symbol) => new Option(symbol, symbol)));
  }
  const isOwn = element("symbol").value === shown.symbol;
  fillSelect(element("series"), found.offers.map((offer) => offer.series),
    isOwn ? shown.series : "");
  const of = found.offers.filter((offer) => offer.series === element("series").value);
  fillSelect(element("source"), of.map((offer) => offer.source), isOwn ? shown.source : "");
  if (!isWhole()) choose(found);
}

// Without a choice the first symbol is shown, and its minutes. What the address names counts, if
// there is such a bar.
function choose(found) {
  const symbol = shown.symbol || found.symbols[0];
  if (element("symbol").value !== (shown.symbol || "") || !found.offers.length) return;
  const isAsked = (offer) => ["series", "source"].every(
    (name) => !shown[name] || shown[name] === offer[name]);
  const asked = found.offers.filter(isAsked);
  const offers = asked.length ? asked : found.offers;
  const offer = offers.find((each) => each.series === "1m") || offers[0];
  const wanted = [shown.series, shown.source].filter(Boolean).join(" of ");
  drawn.instead = asked.length ? "" : ` No bar of ${symbol} ${wanted} was found.`;
  element("symbol").value = symbol;
  // They were filled before anything was chosen.
  element("series").value = offer.series;
  element("source").replaceChildren();
  go({ symbol, series: offer.series, source: offer.source });
}

function submit(event) {
  event.preventDefault();
  const from = element("from").value;
  drawn.instead = "";
  go({
    symbol: element("symbol").value, series: element("series").value,
    source: element("source").value, from: from ? `${from}Z` : "", open: "", number: "",
  });
}

function noChoice(found) {
  if (found.value && !found.value.offers.length) {
    return [`No bar of ${shown.symbol || "any symbol"} was found yet.`, ""];
  }
  const why = doubt() || found.refused || found.absence || "waiting for the first news";
  return [`Not known: ${why}.`, "unknown"];
}

function words(look, news) {
  if (news.refused) return [`Not answered: ${news.refused}.`, "warning"];
  if (!isWhole()) return noChoice(drawn.choices);
  const what = `${shown.symbol} ${shown.series} of ${shown.source}`;
  if (!news.value || isStale(news)) {
    const why = doubt() || news.absence || "the answer is old";
    return [`Not known now: ${what}: ${why}.`, "unknown"];
  }
  const { bars, live } = news.value;
  const asked = `Asked ${span(age(news.at))} ago.`;
  if (!bars.length) return [`No bar of ${what} is stored there. ${asked}`, ""];
  const ended = Date.parse(look.time) / 1000 - bars.at(-1).ended;
  const more = (news.value.lacks_versions ? " Not all replaced versions are shown." : "")
    + (news.value.quotes_problem
      ? ` Bid and ask are not shown: ${news.value.quotes_problem}.` : "");
  const which = live ? "the newest" : `from ${bars[0].time} on`;
  return [`${what}: ${bars.length} bars, ${which}; the last one ended ${span(ended)} ago.`
    + `${drawn.instead}${more} ${asked}`, drawn.instead ? "warning" : ""];
}

function remarks(bar) {
  const missing = bar.missing ? [`${bar.missing} versions are not stored any more`] : [];
  const signs = bar.partial ? "▲ " : bar.withdrawn ? "✕ " : "";
  return signs + bar.marks.concat(missing).join("; ") || "–";
}

const texts = (bar, names) => names.map((name) => bar[name] || "–");
const prices = (bar) => texts(bar, ["open", "high", "low", "close"]);

function rows(bar) {
  const delay = bar.delay || "not known";
  const own = {
    kind: "", cells: [
      [bar.time, "", address(bar)], ...prices(bar), ...texts(bar, ["bid", "ask"]),
      bar.volume, `${bar.trades}`,
      `${bar.version > 1 ? "◆ " : ""}${bar.version}`, bar.reason, delay, remarks(bar),
    ],
  };
  const ghosts = bar.ghosts.toReversed().map((ghost) => ({
    kind: "quiet", cells: [
      `┄ ${bar.time}`, ...prices(ghost), "–", "–", ghost.volume, `${ghost.trades}`,
      `${ghost.version}`, ghost.reason, ghost.delay || "not known",
      ghost.withdrawn ? "✕ void; replaced" : "replaced",
    ],
  }));
  return [own, ...ghosts];
}

// A person who is at a bar stays at it when a newer one comes.
function showTable(chart, isOld) {
  const table = element("bars");
  if (drawn.table.chart === chart && drawn.table.isOld === isOld) return;
  drawn.table = { chart, isOld };
  const held = document.activeElement.closest("#bars a");
  const place = held && held.getAttribute("href");
  fill(table, chart.bars.toReversed().flatMap(rows).map((row) => (
    { ...row, kind: isOld ? "stale" : row.kind })));
  if (!place || held.getAttribute("href") === place) return;
  const again = [...table.querySelectorAll("a")]
    .find((link) => link.getAttribute("href") === place);
  if (again) again.focus();
}

function showPage(look, news) {
  const chart = (look && news.value) || nothing;
  drawn.chart = chart;
  const isOld = !look || isStale(news);
  put(element("words"), ...(look ? words(look, news) : [`Not known: ${doubt()}.`,
    "unknown"]));
  const chosen = chart.bars.find((bar) => bar.open_ns === shown.open
    && bar.number === shown.number);
  drawCandles(element("candles"), chart, chosen, isOld);
  showTable(chart, isOld);
  for (const way of ["earlier", "later"]) {
    element(way).setAttribute("aria-disabled", `${!chart[way]}`);
  }
}

function showBar(look, news) {
  const bar = (look && news.value) || { words: [], versions: [], gaps: [] };
  const isOld = !look || isStale(news);
  const why = doubt() || news.refused || news.absence || "the answer is old";
  const text = !shown.open
    ? ["No bar is chosen: click one in the picture, or press Enter in its row.", ""]
    : isOld ? [`Not known now${bar.name ? `: ${bar.name}` : ""}: ${why}.`, "unknown"]
      : [bar.name, ""];
  put(element("bar"), ...text);
  const facts = resized(element("facts"), bar.words.length);
  bar.words.forEach((word, index) => put(facts[index], word));
  list(element("versions"), bar.versions, isOld, (version) => [
    `${version.version}`, version.reason + (version.withdrawn ? ", void" : ""),
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

function select(bar) {
  go({ open: bar.open_ns, number: bar.number });
  element("bar-head").focus();
}

element("bars").addEventListener("click", (event) => {
  const link = /** @type {Element} */ (event.target).closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const wanted = new URL(link.href).searchParams;
  select({ open_ns: wanted.get("open"), number: wanted.get("number") });
});

element("candles").addEventListener("click", (event) => {
  const bar = barAt(element("candles"), drawn.chart, event.offsetX);
  if (bar) select(bar);
});

watchCopies(element("copied"));
element("which").addEventListener("submit", submit);
element("series").addEventListener("change", () => element("source").replaceChildren());
// A disabled button would lose the focus of a person who goes on by keyboard.
for (const way of ["earlier", "later"]) {
  element(way).addEventListener("click", () => {
    if (drawn.chart[way]) go({ from: drawn.chart[way] });
  });
}
element("newest").addEventListener("click", () => go({ from: "" }));
element("symbol").value = shown.symbol || "";
go({});

start((look) => {
  showChoices(choices(look));
  showPage(look, page(look));
  showBar(look, known(look));
});
