// The page of the bars: candles of one symbol, source and series, with the versions that were
// replaced, and what is known of each bar.

import {
  start, documentAt, age, isStale, span, put, doubt, element, resized, wallNow,
} from "./live.js";
import { offer } from "./table.js";
import { watchCopies } from "./copy.js";
import { drawCandles } from "./candles.js";
import { watchHands } from "./chart-hands.js";
import { BarCache, keyOf } from "./bar-cache.js";
import { ChartMore } from "./chart-more.js";
import { showBar, ticksOf } from "./chart-bar.js";
import { showTable, valuesAt } from "./chart-words.js";
import { GapList } from "./gap-list.js";
import { timeOf, timeText } from "./clock.js";
import { asOf, momentsOf } from "./versions.js";
import {
  countMax, countMin, csvOf, formingOf, placesOf, rangeOf, windowOf,
} from "./view.js";

// What the page shows: parameters of its address.
const shown = Object.fromEntries(new URLSearchParams(location.search));
// A time of the form's field has no zone.
if (shown.from && !/(Z|[+-]\d\d:\d\d)$/.test(shown.from)) shown.from += "Z";
if (Number.isNaN(Date.parse(shown.asof))) shown.asof = "";
const drawn = { news: {}, choices: {}, instead: "", side: "", places: [], moments: [], look: null,
  picture: null, timer: 0, keeps: false };
const cache = new BarCache();
const gaps = new GapList();
const more = new ChartMore(shown);
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
const others = ["over", "of", "beside", "asof"];
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

const address = (bar) => `chart?${query([...series, "from", ...others])}&open=${bar.open_ns}`
  + `&number=${bar.number}`;

function showAddress() {
  const n = part.count === countMax ? "" : `&n=${part.count}`;
  const names = [...series, ...others, "open", "number"];
  const first = part.last && drawn.picture && drawn.picture.first;
  const from = first ? first.time : shown.from;
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
      go({ series: button.textContent, from: "", open: "", number: "", asof: "" }));
    return button;
  });
  own.forEach((each, index) => {
    put(buttons[index], each.series);
    const isOwn = `${each.series === shown.series}`;
    if (buttons[index].getAttribute("aria-pressed") !== isOwn) {
      buttons[index].setAttribute("aria-pressed", isOwn);
    }
  });
  const beside = element("beside-series");
  offer(beside, own.map((each) => each.series));
  const wanted = shown.beside || "";
  const isThere = [...beside.options].some((option) => option.value === wanted);
  if (isThere && beside.value !== wanted) beside.value = wanted;
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
    over: element("over").value || (element("of").value && element("symbol").value),
    of: element("of").value, asof: "",
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
  const { picture } = drawn;
  const bars = picture.shown.flatMap((place) => place.bar || []);
  if (!picture.first) return [`No bar of ${what} is stored there. ${asked}`, ""];
  const troubles = `${drawn.instead}${absences(look, news, picture)}`;
  const which = shown.asof ? `as they were known at ${timeText(shown.asof)}`
    : picture.live ? "the newest" : `from ${bars[0].time} on`;
  const last = shown.asof ? "."
    : `; the last one ended ${span(Date.parse(look.time) / 1000 - bars.at(-1).ended)} ago.`;
  return [`${what}: ${bars.length} bars, ${which}${last}${troubles} ${asked}`,
    troubles ? "warning" : ""];
}

// What is not in the picture, and why.
function absences(look, news, { first, over, unsure }) {
  const begun = Date.parse(first.time) / 1000;
  const cut = gaps.cutAt(look);
  return [
    [news.value.lacks_versions, "Not all replaced versions are shown."],
    [news.value.quotes_problem, `Bid and ask are not shown: ${news.value.quotes_problem}.`],
    [over && over.problem, `${over && over.name} is not over them: ${over && over.problem}.`],
    [unsure, `Of ${unsure} it is not stored what was known then.`],
    [gaps.isOld(look), "Gaps are not known now."],
    [cut > begun, `Gaps that begin before ${timeOf(cut)} are not drawn.`],
  ].filter(([isSo]) => isSo).map(([, text]) => ` ${text}`).join("");
}

// What the source traded last, if its feed is live, else the end of the newest bar.
function lastOf(bars, found) {
  const newest = cache.bars.at(-1);
  if (!bars.length || shown.from || shown.asof || part.last || !newest
    || newest.close === undefined) return null;
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
  const { first: begin, last: end, shown: visible } =
    windowOf(places, part.count, wanted < 0 ? places.length - 1 : wanted);
  [drawn.places, drawn.moments] = [places, momentsOf(visible)];
  const then = shown.asof ? asOf(visible, shown.asof) : { shown: visible, unsure: 0 };
  const quotes = then.shown.flatMap(({ bar }) => (bar ? [bar.bid, bar.ask] : []))
    .filter((text) => text !== undefined).map(Number);
  const isNewest = end === places.length - 1 && !cache.later;
  const over = more.over(look, then.shown);
  return {
    ...then, begin, end, count: part.count, live: !shown.from && isNewest, over,
    first: visible.flatMap(({ bar }) => bar || [])[0],
    range: rangeOf(then.shown, trade && isNewest ? [...quotes, trade.price] : quotes,
      over ? over.points.map(({ price }) => price) : []),
    gaps: own, last: isNewest ? trade : null, chosen: `${shown.open}.${shown.number}`, isOld,
    cursor: part.cursor && part.cursor.place < visible.length ? part.cursor : null,
  };
}

// Near to an end of what was read the page beyond it is asked for.
function readOn({ begin, end }) {
  const near = part.count / 2;
  if (begin < near && cache.earlier) drawn.side = cache.earlier;
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
  showTable(picture.shown.flatMap((place) => place.bar || []), isOld, address);
  showAsOf();
  const can = { earlier: picture.begin > 0 || cache.earlier,
    later: picture.end < drawn.places.length - 1 || cache.later };
  for (const way of ["earlier", "later"]) {
    element(way).setAttribute("aria-disabled", `${!can[way]}`);
  }
}

function draw() {
  const { picture } = drawn;
  const beside = more.beside(drawn.look, picture);
  const place = element("beside");
  if (place.hidden === !!beside) place.hidden = !beside;
  put(element("beside-name"), shown.beside || "");
  put(element("candles-name"),
    isWhole() ? `${shown.symbol} ${shown.series} of ${shown.source}` : "–");
  drawCandles(element("candles"), picture);
  if (beside) drawCandles(element("beside-candles"), beside);
  put(element("at"), valuesAt(picture));
}

// One step for each time at which something of the picture became known, and one for the newest.
function showAsOf() {
  const field = element("as-of");
  const { moments } = drawn;
  const end = Date.parse(shown.asof);
  const place = shown.asof
    ? Math.max(0, moments.map((time) => Date.parse(time) <= end).lastIndexOf(true))
    : moments.length;
  if (field.max !== `${moments.length}`) field.max = `${moments.length}`;
  if (field.value !== `${place}`) field.value = `${place}`;
  const text = shown.asof ? timeText(shown.asof) : "now";
  put(element("as-of-words"), text);
  if (field.getAttribute("aria-valuetext") !== text) field.setAttribute("aria-valuetext", text);
}

// What is known later does not move the picture.
function turnBack() {
  const newest = cache.bars.at(-1);
  if (drawn.picture.live && newest) part.last = keyOf(newest);
  shown.asof = drawn.moments[Number(element("as-of").value)] || "";
  refresh();
  showAsOf();
  settleLater();
}

function showNewest() {
  if (cache.later) cache.forget();
  part.last = "";
  go({ from: "", asof: "" });
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
  settleLater();
}

// A browser takes few changes of an address in a second.
function settleLater() {
  clearTimeout(drawn.timer);
  drawn.timer = setTimeout(settle, anchorAfter);
}

// What is shown is asked for from now on, so that it is as new as the page says.
function settle() {
  const { first } = drawn.picture;
  if (part.last && first) [shown.from, drawn.keeps] = [first.time, true];
  showAddress();
}

function refresh() {
  const isOld = drawn.picture.isOld;
  drawn.picture = pictureOf(drawn.look, isOld);
  readOn(drawn.picture);
  draw();
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
  // What a key has brought is read aloud.
  point: (cursor, isByKey) => {
    element("at").setAttribute("aria-live", isByKey ? "polite" : "off");
    part.cursor = cursor;
    refresh();
  },
  choose: (bar) => select(bar),
  ticks: (bar) => location.assign(ticksOf(shown, bar.open_ns)),
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
  /** @type {any} */ (element("candles")).toBlob((blob) => save(blob, `${name()}.png`));
});

function save(blob, file) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = file;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
}

element("as-of").addEventListener("input", turnBack);
element("beside-series").addEventListener("change", () =>
  go({ beside: element("beside-series").value }));
/** @type {HTMLDetailsElement} */
const moreFields = document.querySelector("#more");
moreFields.open = others.some((name) => shown[name]);
for (const name of ["symbol", "over", "of"]) element(name).value = shown[name] || "";
go({});

start((look) => {
  drawn.look = look;
  showChoices(choices(look));
  showPage(look, newsOf(look));
  showBar(shown, look, known(look));
});
