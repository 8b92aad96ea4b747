// What a chart shows besides its bars: another symbol or source over them, and another resolution
// beside them.

import { documentAt, doubt, isStale } from "./live.js";
import { laidOver } from "./overlay.js";
import { asOf } from "./versions.js";
import { placesOf, rangeOf, secondsOf, windowOf } from "./view.js";

const besideCount = 60;
// The bars beside are asked for from a time that changes after so many of them alone.
const besideStep = 12;

export class ChartMore {
  // `shown` is what the page shows: the parameters of its address.
  constructor(shown) {
    this.shown = shown;
    // When the bars of the picture end, and how long one beside it is.
    [this.until, this.length] = [undefined, 0];
    this.overNews = documentAt(() => (shown.over
      ? this.path(shown.over, shown.of || shown.source, shown.series, shown.from) : ""));
    this.besideNews = documentAt(() => (shown.beside
      ? this.path(shown.symbol, shown.source, shown.beside, this.besideFrom()) : ""));
  }

  path(symbol, source, series, from) {
    if (!symbol || !source || !series) return "";
    const query = new URLSearchParams({ symbol, source, series, ...(from ? { from } : {}) });
    return `chart.json?${query}`;
  }

  besideFrom() {
    if (!this.shown.from || !this.length || this.until === undefined) return "";
    const step = this.length * besideStep;
    const begin = Math.floor((this.until - this.length * besideCount) / step) * step;
    return new Date(begin * 1000).toISOString();
  }

  // The line over these places, `null` if none is wanted. `problem` says why there is none.
  over(look, places) {
    const { shown } = this;
    if (!shown.over) return null;
    const found = this.overNews(look);
    const bars = found.value ? found.value.bars : [];
    const then = shown.asof
      ? asOf(bars.map((bar) => ({ bar })), shown.asof).shown.flatMap(({ bar }) => bar || [])
      : bars;
    const isOld = !look || isStale(found);
    const laid = laidOver(places, then, shown.over === shown.symbol);
    const source = shown.of || shown.source;
    return { ...laid, isOld, name: source === shown.source ? shown.over : `${shown.over} ${source}`,
      problem: found.refused || (isOld ? doubt() || found.absence || "the answer is old"
        : laid.points.length ? "" : "it has no bar of the shown times") };
  }

  // The picture of the other resolution, `null` if none is wanted.
  beside(look, picture) {
    if (!this.shown.beside) return null;
    const last = picture.shown.at(-1);
    this.until = last ? last.to : undefined;
    const found = this.besideNews(look);
    const bars = (found.value ? found.value.bars : [])
      .filter((bar) => !last || secondsOf(bar.open_ns) < last.to);
    const newest = bars.at(-1);
    if (newest) this.length = newest.ended - secondsOf(newest.open_ns);
    const places = placesOf(bars, picture.gaps);
    const visible = windowOf(places, besideCount, places.length - 1).shown;
    const then = this.shown.asof ? asOf(visible, this.shown.asof).shown : visible;
    const at = picture.cursor ? picture.shown[picture.cursor.place].from : NaN;
    const place = then.findIndex(({ from, to }) => from <= at && at < to);
    return { shown: then, count: besideCount, live: true, range: rangeOf(then),
      gaps: picture.gaps, last: null, over: null, cursor: place < 0 ? null : { place },
      isOld: !look || isStale(found) };
  }
}
