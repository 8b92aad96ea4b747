// The bars that a chart has read: pages that belong together, in the order of time. Pure, and
// without imports: a test reads it alone.

// More bars are forgotten, those farthest from what is shown first.
export const barsMax = 1200;

const compare = (one, other) => {
  const [first, second] = [BigInt(one.open_ns), BigInt(other.open_ns)];
  if (first !== second) return first < second ? -1 : 1;
  return Number(BigInt(one.number) - BigInt(other.number));
};

export const keyOf = (bar) => `${bar.open_ns}.${bar.number}`;

export class BarCache {
  constructor() { this.forget(); }

  forget() {
    this.bars = [];
    // The times from which the pages before and after these begin.
    [this.earlier, this.later] = [undefined, undefined];
    this.taken = new WeakSet();
  }

  // Takes a page, once. What a page says of its own time is newer than what was said before, so
  // bars that it does not have any more are gone. Between others and a page that does not overlap
  // them there may be more bars. Then they begin anew with it, or it is skipped, or it was asked
  // for to adjoin them.
  take(page, apart = "begin") {
    if (this.taken.has(page)) return;
    const { bars } = page;
    if (!bars.length) {
      if (!this.bars.length) [this.earlier, this.later] = [page.earlier, page.later];
      return;
    }
    const [first, last] = [bars[0], bars.at(-1)];
    const isApart = this.bars.length
      && (compare(first, this.bars.at(-1)) > 0 || compare(last, this.bars[0]) < 0);
    if (isApart && apart === "skip") return;
    if (isApart && apart === "begin") this.bars = [];
    this.taken.add(page);
    const before = this.bars.filter((bar) => compare(bar, first) < 0);
    const after = this.bars.filter((bar) => compare(bar, last) > 0);
    if (!before.length) this.earlier = page.earlier;
    if (!after.length) this.later = page.later;
    this.bars = [...before, ...bars, ...after];
  }

  // There is nothing from this time on.
  endAt(time) {
    if (this.earlier === time) this.earlier = undefined;
    if (this.later === time) this.later = undefined;
  }

  // Forgets what is too much, at the side that is farther from the bar of this number.
  trim(place) {
    const much = this.bars.length - barsMax;
    if (much <= 0) return;
    if (place > this.bars.length / 2) {
      this.bars = this.bars.slice(much);
      this.earlier = this.bars[0].time;
    } else {
      this.bars = this.bars.slice(0, -much);
      this.later = this.bars.at(-1).time;
    }
  }
}
