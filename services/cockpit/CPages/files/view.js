// What part of the bars a chart shows, and where. Pure, and without imports: a test reads it alone.

export const countMin = 12;
export const countMax = 120;
// A hole without a bar has at most so many places, however long it was.
const holesMax = 12;
// A shorter bar is closed before anybody has looked at it.
const formingMin = 10;

const known = (text) => (text === undefined ? undefined : Number(text));

// The numbers of a version, for the picture alone. `undefined`: it has no prices.
export function pricesOf(version) {
  const [open, high, low, close] = ["open", "high", "low", "close"].map((name) =>
    known(version[name]));
  return [open, high, low, close].some((price) => price === undefined) || version.withdrawn
    ? undefined : { open, high, low, close };
}

// Seconds since 1970 of a time in nanoseconds.
export const secondsOf = (nanoseconds) => Number(nanoseconds) / 1e9;

// A place for each bar, and some for a hole between bars of which a gap is known. The places are in
// the order of time.
export function placesOf(bars, gaps) {
  const places = [];
  bars.forEach((bar, index) => {
    const [from, to] = [secondsOf(bar.open_ns), bar.ended];
    const before = index ? bars[index - 1].ended : from;
    const isMissed = from > before && gaps.some((gap) =>
      gap.from < from && (gap.to ?? Infinity) > before);
    if (isMissed) {
      const length = Math.max(1e-9, to - from);
      const count = Math.max(1, Math.min(holesMax, Math.round((from - before) / length)));
      const step = (from - before) / count;
      for (let hole = 0; hole < count; hole += 1) {
        places.push({ from: before + hole * step, to: before + (hole + 1) * step });
      }
    }
    places.push({ from, to, bar });
  });
  return places;
}

// The bar that is not closed yet, by the trades that the page saw: of each look the last one. So it
// may have been higher and lower. `undefined`: none was seen in its time, or nobody knows its time.
export function formingOf(before, bars, trade, now) {
  const newest = bars.at(-1);
  if (!newest || !trade) return undefined;
  const lengths = bars.slice(-3).map((bar) => bar.ended - secondsOf(bar.open_ns));
  const [length] = lengths;
  const isRegular = length >= formingMin
    && lengths.every((one) => Math.abs(one - length) < 1e-3);
  if (!isRegular || now < newest.ended) return undefined;
  const from = newest.ended + Math.floor((now - newest.ended) / length) * length;
  const { price } = trade;
  const isSame = before && before.from === from;
  if (trade.time < from) return isSame ? before : undefined;
  const { open, high, low } = isSame ? before : { open: price, high: price, low: price };
  return { from, to: from + length, open, close: price,
    high: Math.max(high, price), low: Math.min(low, price) };
}

// The places from `first` on that are shown when the one at `last` is at the right edge.
export function windowOf(places, count, last) {
  const end = Math.min(places.length - 1, Math.max(last, Math.min(count, places.length) - 1));
  const first = Math.max(0, end - count + 1);
  return { first, last: end, shown: places.slice(first, end + 1) };
}

// Where a time is among the shown places: 0 is the left edge of the first, 1 that of the second.
export function placeOfTime(shown, time) {
  for (let index = 0; index < shown.length; index += 1) {
    const { from, to } = shown[index];
    if (time < from) return index;
    if (time < to) return index + (time - from) / (to - from);
  }
  return shown.length;
}

// The lowest and the highest price of what stands and of `others`, with some room. Versions that
// were replaced widen it by a quarter at each side at most, and one of `more` that is far away is
// left out.
export function rangeOf(shown, more = [], others = []) {
  const ends = (versions) => versions.map(pricesOf).filter(Boolean)
    .flatMap(({ high, low }) => [high, low]);
  const own = ends(shown.flatMap(({ bar, forming }) => bar || forming || []));
  const ghosts = ends(shown.flatMap(({ bar }) => (bar ? bar.ghosts : [])));
  const all = [...(own.length ? own : ghosts), ...others];
  if (!own.length && !ghosts.length) return undefined;
  let [low, high] = [Math.min(...all), Math.max(...all)];
  const quarter = (high - low) / 4;
  [low, high] = [Math.max(low - quarter, Math.min(low, ...ghosts)),
    Math.min(high + quarter, Math.max(high, ...ghosts))];
  const reach = Math.max(high - low, Math.abs(low) / 1000);
  for (const price of more) {
    if (price >= low - reach && price <= high + reach) {
      [low, high] = [Math.min(low, price), Math.max(high, price)];
    }
  }
  const room = (high - low) / 20 || Math.abs(low) / 1000 || 1;
  return { low: low - room, high: high + room };
}

// The values of the bar at the cursor of a picture, or of its newest one, if it has some.
export function valuesOf({ cursor, shown }) {
  const { bar, forming } = (cursor ? shown[cursor.place] : shown.at(-1)) || {};
  const one = bar || forming;
  const prices = one && pricesOf(one);
  if (!prices) return undefined;
  const text = ["open", "high", "low", "close"]
    .map((name) => `${name[0].toUpperCase()} ${one[name]}`).join("  ");
  return { text, volume: bar && Number(bar.volume), ...prices };
}

// What is shown as text that other programs read. A text that a table would take as a formula stays
// one that it does not: it gets an apostrophe.
export function csvOf(bars) {
  const names = ["time", "open", "high", "low", "close", "vwap", "volume", "trades", "version",
    "reason", "bid", "ask"];
  const field = (value) => {
    const text = /^[=+@\t\r]|^-(?![\d.]+$)/.test(`${value}`) ? `'${value}` : `${value}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = bars.map((bar) => names.map((name) => field(bar[name] ?? "")).join(","));
  return [names.join(","), ...lines, ""].join("\n");
}
