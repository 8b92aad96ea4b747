// The order of rows that a person chose, by the texts of one column.

const units = new Map(Object.entries({
  ns: 1e-9, us: 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, d: 86400,
  B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4,
}));
const number = /^(?:[^\p{L}\d-]*\s)?(?:\p{L}+:\s)?(-?[\d,]*\.?\d+)(?:\s*([A-Za-z]+))?/u;
const isTime = /^\d{4}-\d\d-\d\d/;

// The number at the beginning of a text, behind the sign and the word of a state, in the least of
// its units. `undefined` for words, and for times, whose texts are in order as they are.
export function numberOf(text) {
  const found = isTime.test(text) ? null : number.exec(text);
  if (!found) return undefined;
  return Number(found[1].replaceAll(",", "")) * (units.get(found[2]) ?? 1);
}

// What is not there comes last, whatever the order. Numbers come before words.
export function compare(one, other, isDown) {
  const isNone = (text) => (text === "–" || text === "" ? 1 : 0);
  if (isNone(one) || isNone(other)) return isNone(one) - isNone(other);
  const [first, second] = [numberOf(one), numberOf(other)];
  const way = isDown ? -1 : 1;
  if (first !== undefined && second !== undefined) return (first - second) * way;
  if ((first === undefined) !== (second === undefined)) return first === undefined ? way : -way;
  return one.localeCompare(other, "en", { numeric: true }) * way;
}
