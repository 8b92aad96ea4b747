// Another symbol or source over the bars of a chart, as a line of its closes. Pure, and without
// imports: a test reads it alone.

// `points` has a place and a price for each of the bars whose time is shown. Another symbol is moved
// so that it begins at the same price; the prices of another source are its own. `change` is that
// from the first to the last point.
export function laidOver(shown, bars, isSameSymbol) {
  const places = new Map();
  shown.forEach(({ from }, place) => places.set(from, place));
  const found = bars.flatMap((bar) => {
    const place = places.get(Number(bar.open_ns) / 1e9);
    return place === undefined || bar.close === undefined || bar.withdrawn
      ? [] : [{ place, close: Number(bar.close), text: bar.close }];
  });
  const begin = found.find(({ place, close }) => close && shown[place].bar
    && shown[place].bar.close !== undefined);
  const factor = isSameSymbol ? 1
    : begin ? Number(shown[begin.place].bar.close) / begin.close : NaN;
  if (!Number.isFinite(factor)) return { points: [], change: undefined };
  const points = found.map((one) => ({ ...one, price: one.close * factor }));
  const [first] = points;
  const change = first && first.close ? points.at(-1).close / first.close - 1 : undefined;
  return { points, change };
}

export const percent = (part) => `${part > 0 ? "+" : part < 0 ? "−" : ""}${
  Math.abs(part * 100).toFixed(2)} %`;
