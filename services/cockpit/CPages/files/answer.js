// What an answer in SQL is as numbers, lines and CSV. Pure, and without imports: a test reads it
// alone.

const number = /^-?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i;
const moment = /^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d+)?(\+\d\d(:\d\d)?)?)?$/;
// More lines cannot be told apart.
export const linesMax = 4;

// Whether all values of the column that are there are of this form, and one is.
function isAll(rows, column, form) {
  let isOne = false;
  for (const row of rows) {
    if (row[column] === null) continue;
    if (!form.test(row[column])) return false;
    isOne = true;
  }
  return isOne;
}

// The columns of numbers, by their places.
export const numberColumns = (columns, rows) =>
  [...columns.keys()].filter((column) => isAll(rows, column, number));

// The times of the database are those of UTC; the offset has two digits.
export function seconds(text) {
  const iso = text.replace(" ", "T");
  if (!iso.includes("T")) return Date.parse(iso) / 1000;
  const offset = /[+-]\d\d(:\d\d)?$/.exec(iso);
  return Date.parse(`${iso}${offset ? offset[1] ? "" : ":00" : "Z"}`) / 1000;
}

// The lines that an answer has: numbers over its first column of times, or else over the places of
// the rows. `undefined`: it has none.
export function linesOf(columns, rows) {
  const times = [...columns.keys()].find((column) => isAll(rows, column, moment));
  const lines = numberColumns(columns, rows).slice(0, linesMax);
  if (!lines.length || rows.length < 2) return undefined;
  const points = rows.map((row, place) => ({
    x: times === undefined ? place : row[times] === null ? NaN : seconds(row[times]), row,
  })).filter(({ x }) => Number.isFinite(x));
  // A line goes from earlier to later, in whatever order the rows came.
  points.sort((one, other) => one.x - other.x);
  return { isTime: times !== undefined, x: points.map(({ x }) => x),
    lines: lines.map((column) => ({ name: columns[column],
      values: points.map(({ row }) => (row[column] === null ? null : Number(row[column]))) })) };
}

// NULL is an empty field, and an empty text is "". A text that a table would take as a formula
// gets an apostrophe.
export function csvOf(columns, rows) {
  const field = (value) => {
    if (value === null) return "";
    const text = /^[=+@\t\r]|^-(?![\d.]+(e[-+]?\d+)?$)/i.test(value) ? `'${value}` : value;
    return text === "" || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => `${row.map(field).join(",")}\n`).join("");
}
