// Round marks for the axes of pictures, and where an axis begins. Pure, and without imports: a test
// reads it alone.

const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
  172800, 604800, 2592000, 31536000];

// The places where a round time begins, so that two of them are at least `least` places apart.
export function timeMarks(shown, least) {
  if (!shown.length) return [];
  const wanted = Math.max(1e-9, shown[0].to - shown[0].from) * least;
  const step = steps.find((one) => one >= wanted) ?? steps.at(-1);
  let free = 0;
  return [...shown.keys()].filter((place) => {
    const before = place ? shown[place - 1].from : -Infinity;
    if (place < free || Math.floor(shown[place].from / step) === Math.floor(before / step)) {
      return false;
    }
    free = place + least;
    return place > 0 || shown[0].from % step === 0;
  });
}

// The round times between two, so that two of them are at least `least` seconds apart.
export function timesBetween(from, to, least) {
  const longest = steps.at(-1);
  const step = steps.find((one) => one >= least) ?? Math.ceil(least / longest) * longest;
  const count = Math.floor(to / step) - Math.ceil(from / step) + 1;
  return count > 0 ? [...Array(count).keys()].map((index) => (
    (Math.ceil(from / step) + index) * step)) : [];
}

// Where the picture of these values begins, so that a change is seen: a little below the least one,
// or at 0, if that is not far away.
export function floorOf(values) {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const floor = low - Math.max((high - low) / 5, high / 50);
  return known.length && floor > high / 2 ? floor : 0;
}

// How many decimals the text of a price has.
export const decimalsOf = (text) => `${text ?? ""}`.split(".")[1]?.length ?? 0;

// Round prices from low to high, about so many: steps of 1, 2 or 5 times a power of ten. All have
// the same decimals, which are at least so many.
export function priceMarks({ low, high }, about, least = 0) {
  const wanted = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((part) => part * power).find((one) => one >= wanted * 0.999);
  const decimals = Math.max(least, -Math.floor(Math.log10(step) + 1e-9));
  const marks = [];
  const first = Math.ceil(low / step);
  // Of numbers that are too large to differ by one there are not more.
  for (let index = 0; index <= 2 * about && (first + index) * step <= high; index += 1) {
    const price = (first + index) * step;
    marks.push({ price, text: price.toFixed(Math.min(12, decimals)) });
  }
  return marks;
}

// With as many decimals as the marks beside it, and one more.
export function priceText(price, { low, high }) {
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.max(1e-12, high - low))));
  return price.toFixed(Math.min(12, decimals));
}
