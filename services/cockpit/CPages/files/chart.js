// The page of the bars: candles of one symbol, source and series, with the versions that were
// replaced, and what is known of each bar.

import {
  start, documentAt, age, isStale, span, put, doubt, element, resized, wallNow,
} from "./live.js";
import { fill, list } from "./table.js";
import { watchCopies } from "./copy.js";
import { drawCandles } from "./candles.js";
import { watchHands } from "./chart-hands.js";
import { BarCache, keyOf } from "./bar-cache.js";
import { GapList } from "./gap-list.js";
import { timeOf, timeText } from "./clock.js";
import {
  countMax, countMin, csvOf, formingOf, placesOf, rangeOf, windowOf,
} from "./view.js";

// What the page shows: parameters of its address.
const shown = Object.fromEntries(new URLSearchParams(location.search));
// A time of the form's field has no zone.
if (shown.from && !/(Z|[+-]\d\d:\d\d)$/.test(shown.from)) shown.from += "Z";
const drawn = { news: {}, table: {}, choices: {}, instead: "", side: "", places: [],
  look: null, picture: null, timer: 0, keeps: false };
const cache = new BarCache();
const gaps = new GapList();
// What part of the bars is shown: so many, up to the bar of this key; none: up to the newest.
const part = { count: countOf(shown.n), last: "", cursor: null, forming: undefined };

// A picture that has come to rest so long ago is asked for by its own time.
const anchorAfter = 600;

function countOf(text) {
  const count = Math.round(Number(text));
  return count >= countMin && count <= countMax ? count : countMax;
}

function query(names) {
  const pairs = names.filter((name) => shown[name]).map((name) => [name, shown[name]]);
  return new URLSearchParams(pairs).toString();
}

const series = ["symbol", "source", "series"];
const isWhole = () => series.every((name) => shown[name]);
const choices = documentAt(() => {
  const symbol = new URLSearchParams({ symbol: element("symbol").value });
  // Not that of the picture, which a person moves: this list costs more.
  const from = element("from").value;
  return `chart-choices.json?${symbol}${from ? `&from=${encodeURIComponent(`${from}Z`)}` : ""}`;
});
const page = documentAt(() => (isWhole()
  ? `chart.json?${query([...series, "from"])}` : ""));
// The page beside those that were read, when the picture comes near to their end.
const side = documentAt(() => (isWhole() && drawn.side
  ? `chart.json?${query(series)}&from=${encodeURIComponent(drawn.side)}` : ""));
const last = documentAt(() => (isWhole() && !shown.from
  ? `latest.json?${new URLSearchParams({ symbols: shown.symbol, source: shown.source })}` : ""));
const known = documentAt(() => (isWhole() && shown.open
  ? `chart-bar.json?${query([...series, "open", "number"])}` : ""));

const address = (bar) => `chart?${query([...series, "from"])}&open=${bar.open_ns}`
  + `&number=${bar.number}`;

function showAddress() {
  const n = part.count === countMax ? "" : `&n=${part.count}`;
  const names = [...series, "open", "number"];
  const first = part.last && drawn.picture && drawn.picture.shown.find(({ bar }) => bar);
  const from = first ? first.bar.time : shown.from;
  const begin = from ? `&from=${encodeURIComponent(from)}` : "";
  const own = query(names);
  history.replaceState(null, "", own ? `chart?${own}${begin}${n}` : "chart");
}

function go(change) {
  const isOther = [...series, "from"].some((name) =>
    change[name] !== undefined && change[name] !== (shown[name] || ""));
  Object.assign(shown, change);
  if (isOther) {
    cache.forget();
    [drawn.side, drawn.keeps, part.last, part.cursor] = ["", false, "", null];
  }
  showAddress();
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
  showResolutions(found);
}

// The other series of this source, one press away.
function showResolutions(found) {
  const own = element("symbol").value === shown.symbol
    ? found.offers.filter((offer) => offer.source === shown.source) : [];
  const buttons = resized(element("resolutions"), own.length, () => {
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () =>
      go({ series: button.textContent, from: "", open: "", number: "" }));
    return button;
  });
  own.forEach((offer, index) => {
    put(buttons[index], offer.series);
    const isOwn = `${offer.series === shown.series}`;
    if (buttons[index].getAttribute("aria-pressed") !== isOwn) {
      buttons[index].setAttribute("aria-pressed", isOwn);
    }
  });
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
  const asked = `Asked ${span(age(news.at))} ago.`;
  const bars = drawn.picture.shown.filter((place) => place.bar).map((place) => place.bar);
  if (!bars.length) return [`No bar of ${what} is stored there. ${asked}`, ""];
  const ended = Date.parse(look.time) / 1000 - bars.at(-1).ended;
  const more = (news.value.lacks_versions ? " Not all replaced versions are shown." : "")
    + (news.value.quotes_problem
      ? ` Bid and ask are not shown: ${news.value.quotes_problem}.` : "");
  const which = drawn.picture.live ? "the newest" : `from ${bars[0].time} on`;
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
function showTable(bars, isOld) {
  const table = element("bars");
  const before = drawn.table;
  const isSame = before.isOld === isOld && before.bars && before.bars.length === bars.length
    && before.bars.every((bar, index) => bar === bars[index]);
  if (isSame) return;
  drawn.table = { bars, isOld };
  const held = document.activeElement.closest("#bars a");
  const place = held && held.getAttribute("href");
  fill(table, bars.toReversed().flatMap(rows).map((row) => (
    { ...row, kind: isOld ? "stale" : row.kind })));
  if (!place || held.getAttribute("href") === place) return;
  const again = [...table.querySelectorAll("a")]
    .find((link) => link.getAttribute("href") === place);
  if (again) again.focus();
}

// What the source traded last, if its feed is live, else the end of the newest bar.
function lastOf(bars, found) {
  const newest = cache.bars.at(-1);
  if (!bars.length || shown.from || part.last || !newest || newest.close === undefined) return null;
  const trade = found.value && !isStale(found) && found.value.items.find((item) =>
    item.kind === "trade" && item.source === shown.source && !item.unknown && item.feed === "live");
  const text = trade ? trade.value.price : newest.close;
  const price = Number(text);
  const way = price > Number(newest.open) ? "rise" : price < Number(newest.open) ? "fall" : "text";
  // Both parts of its age are of the server.
  const time = trade && trade.age_ns !== null
    ? wallNow() - age(found.at) - trade.age_ns / 1e9 : undefined;
  return { price, text, way, isOld: !trade, time };
}

// The key of the bar at a place. A hole has none: the bar behind it stands for it.
function keyAt(places, place) {
  const found = places.slice(Math.min(place, places.length - 1)).find(({ bar }) => bar);
  return found ? keyOf(found.bar) : "";
}

// The places of all bars that are read, and which of them are shown.
function pictureOf(look, isOld) {
  const trade = lastOf(cache.bars, last(look));
  part.forming = formingOf(part.forming, cache.bars,
    trade && trade.time !== undefined && !isOld ? trade : null, wallNow());
  const own = gaps.items.filter((gap) => gap.source === shown.source
    && (gap.symbol === undefined || gap.symbol === shown.symbol));
  const places = placesOf(cache.bars, own);
  if (part.forming) places.push({ ...part.forming, forming: part.forming });
  if (shown.from && !part.last && places.length) part.last = keyAt(places, part.count - 1);
  const wanted = part.last
    ? places.findIndex(({ bar }) => bar && keyOf(bar) === part.last) : places.length - 1;
  const { first, last: end, shown: visible } =
    windowOf(places, part.count, wanted < 0 ? places.length - 1 : wanted);
  drawn.places = places;
  const quotes = visible.flatMap(({ bar }) => (bar ? [bar.bid, bar.ask] : []))
    .filter((text) => text !== undefined).map(Number);
  const chosen = cache.bars.find((bar) => bar.open_ns === shown.open
    && bar.number === shown.number);
  const isNewest = end === places.length - 1 && !cache.later;
  return {
    shown: visible, first, end, count: part.count, live: !shown.from && isNewest,
    range: rangeOf(visible, trade && isNewest ? [...quotes, trade.price] : quotes),
    gaps: own, last: isNewest ? trade : null, chosen, isOld,
    cursor: part.cursor && part.cursor.place < visible.length ? part.cursor : null,
  };
}

// Near to an end of what was read the page beyond it is asked for.
function readOn({ first, end }) {
  const near = part.count / 2;
  if (first < near && cache.earlier) drawn.side = cache.earlier;
  else if (end > drawn.places.length - near && cache.later) drawn.side = cache.later;
  else drawn.side = "";
}

// Until the first answer from another time is there, the last one counts, and grows old.
function newsOf(look) {
  const found = page(look);
  if (found.at !== undefined) drawn.keeps = false;
  if (!look || !drawn.keeps) drawn.news = found;
  return drawn.news;
}

function showPage(look, news) {
  if (look) gaps.follow(look);
  // Whoever looks at the past is not taken away from it by the newest bars.
  if (look && news.value) cache.take(news.value, part.last ? "skip" : "begin");
  const beside = side(look);
  if (look && beside.value && drawn.side) cache.take(beside.value, "adjoin");
  if (beside.value && !beside.value.bars.length) cache.endAt(drawn.side);
  const isOld = !look || isStale(news);
  const picture = pictureOf(look, isOld);
  drawn.picture = picture;
  readOn(picture);
  put(element("words"), ...(look ? words(look, news) : [`Not known: ${doubt()}.`,
    "unknown"]));
  draw();
  showTable(picture.shown.filter((place) => place.bar).map((place) => place.bar), isOld);
  const can = { earlier: picture.first > 0 || cache.earlier,
    later: picture.end < drawn.places.length - 1 || cache.later };
  for (const way of ["earlier", "later"]) {
    element(way).setAttribute("aria-disabled", `${!can[way]}`);
  }
}

function draw() {
  drawCandles(element("candles"), drawn.picture);
  put(element("at"), valuesAt(drawn.picture));
}

// The values of the bar at the cursor.
function valuesAt({ cursor, shown: visible }) {
  const place = cursor && visible[cursor.place];
  if (!place) return "Point at a bar, or press ← and → in the picture, to read its values.";
  const { bar, forming, from, to } = place;
  if (forming) {
    return `${timeOf(from)}: not closed yet; seen once a second: open ${forming.open}, high ${
      forming.high}, low ${forming.low}, close ${forming.close}`;
  }
  if (!bar) return `${timeOf(from)} to ${timeOf(to).slice(11)}: no bar, ticks are missing`;
  const names = ["open", "high", "low", "close", "volume", "trades", "bid", "ask"];
  const values = names.filter((name) => bar[name] !== undefined)
    .map((name) => `${name} ${bar[name]}`);
  const marks = bar.partial || bar.withdrawn || bar.marks.length ? `, ${remarks(bar)}` : "";
  return `${timeText(bar.time)}: ${values.join(", ")}, version ${bar.version}${marks}`;
}

function showNewest() {
  if (cache.later) cache.forget();
  part.last = "";
  go({ from: "" });
}

// Shows other bars: so many places farther, or so many bars at once.
function move(places, count = part.count) {
  const { end } = drawn.picture;
  part.count = Math.max(countMin, Math.min(countMax, Math.round(count)));
  const newest = drawn.places.length - 1;
  const wanted = Math.max(Math.min(part.count, newest + 1) - 1, Math.min(newest, end + places));
  const isNewest = newest < 0 || (wanted === newest && !cache.later);
  part.last = isNewest ? "" : keyAt(drawn.places, wanted);
  if (isNewest && shown.from) [shown.from, drawn.keeps] = ["", true];
  cache.trim(wanted);
  refresh();
  showAddress();
  clearTimeout(drawn.timer);
  if (!isNewest) drawn.timer = setTimeout(anchor, anchorAfter);
}

// What is shown is asked for from now on, so that it is as new as the page says.
function anchor() {
  const first = part.last && drawn.picture.shown.find(({ bar }) => bar);
  if (first) [shown.from, drawn.keeps] = [first.bar.time, true];
}

function refresh() {
  const isOld = drawn.picture.isOld;
  drawn.picture = pictureOf(drawn.look, isOld);
  readOn(drawn.picture);
  draw();
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

watchHands(element("candles"), {
  picture: () => drawn.picture, move,
  point: (cursor) => { part.cursor = cursor; refresh(); },
  choose: (bar) => select(bar),
  newest: showNewest,
});

watchCopies(element("copied"));
element("which").addEventListener("submit", submit);
element("series").addEventListener("change", () => element("source").replaceChildren());
// A disabled button would lose the focus of a person who goes on by keyboard.
element("earlier").addEventListener("click", () => move(-part.count));
element("later").addEventListener("click", () => move(part.count));
element("newest").addEventListener("click", showNewest);
element("wider").addEventListener("click", () => move(0, part.count * 1.5));
element("closer").addEventListener("click", () => move(0, part.count / 1.5));
const name = () => [shown.symbol, shown.series, shown.source].join("-")
  .replace(/[^A-Za-z0-9_-]+/g, "_");
element("csv").addEventListener("click", () => {
  const bars = drawn.picture.shown.flatMap(({ bar }) => (bar ? [bar] : []));
  save(new Blob([csvOf(bars)], { type: "text/csv" }), `${name()}.csv`);
});
element("png").addEventListener("click", () => {
  const canvas = document.querySelector("canvas");
  canvas.toBlob((blob) => save(blob, `${name()}.png`));
});

function save(blob, file) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = file;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
}

element("symbol").value = shown.symbol || "";
go({});

start((look) => {
  drawn.look = look;
  showChoices(choices(look));
  showPage(look, newsOf(look));
  showBar(look, known(look));
});
