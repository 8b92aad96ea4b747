// scripts.mjs FOLDER: proves what scripts of the pages compute, without a browser. FOLDER has them.
// It ends with 1 and says what differs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

// A script that imports nothing.
const script = (name) => import(`data:text/javascript,${
  encodeURIComponent(readFileSync(`${process.argv[2]}/${name}`, "utf8"))}`);

process.env.TZ = "America/New_York";
const clock = await script("clock.js");
for (const [time, utc, local] of [
  ["2026-03-02T14:40:00Z", "2026-03-02 14:40:00", "2026-03-02 09:40:00"],
  ["2026-03-02T04:59:59.25Z", "2026-03-02 04:59:59.25", "2026-03-01 23:59:59.25"],
  ["no time", "no time", "no time"],
]) {
  assert.equal(clock.timeText(time), utc);
  clock.switchZone();
  assert.equal(clock.timeText(time), local);
  clock.switchZone();
}
assert.equal(clock.timeOf(0), "1970-01-01 00:00:00");
assert.equal(clock.timeOf(NaN), "–");
let calls = 0;
clock.onZone(() => { calls += 1; });
clock.switchZone();
assert.deepEqual([calls, clock.isLocal(), clock.zoneName()],
  [1, true, "those of America/New_York"]);
clock.switchZone();

assert.deepEqual(clock.marksText([86340, 86400, 86460].map((one) => one + 18000)),
  ["01-02 04:59", "05:00", "05:01"]);
assert.deepEqual(clock.marksText([0, 86399.5]), ["01-01 00:00:00", "23:59:59"]);

const { numberOf, compare } = await script("order.js");
for (const [text, number] of [
  ["8,412 ticks/s", 8412], ["● 3", 3], ["▲ hot: 25.0 %", 25], ["12 s, 42,000 records", 12],
  ["3 min", 180], ["2 h", 7200], ["1.2 GiB", 1.2 * 1024 ** 3], ["5.5 ms", 0.0055], ["-4", -4],
  ["–", undefined], ["it flows", undefined], ["2026-03-02T14:40:00Z", undefined], ["71 %", 71],
  ["BRK B", undefined], [".5", 0.5], ["", undefined], ["worker-3", undefined],
]) assert.equal(numberOf(text), number, text);
const ordered = (texts, isDown) => [...texts].sort((one, other) => compare(one, other, isDown));
for (const [texts, isDown, wanted] of [
  [["10 s", "9 s", "2 min"], false, ["9 s", "10 s", "2 min"]],
  [["–", "1", "", "2"], true, ["2", "1", "–", ""]],
  [["–", "1", "", "2"], false, ["1", "2", "–", ""]],
  [["no limit", "5 %", "7 %"], false, ["5 %", "7 %", "no limit"]],
  [["worker-10", "worker-9"], false, ["worker-9", "worker-10"]],
  [["2026-03-02T14:40:00Z", "2025-12-01T00:00:00Z"], false,
    ["2025-12-01T00:00:00Z", "2026-03-02T14:40:00Z"]],
]) assert.deepEqual(ordered(texts, isDown), wanted);

const view = await script("view.js");
const scale = await script("scale.js");
const bar = (minute, close = 10, more = {}) => ({
  open_ns: `${minute * 60}000000000`, number: "0", ended: (minute + 1) * 60, open: "10",
  high: `${Math.max(10, close)}`, low: `${Math.min(10, close)}`, close: `${close}`, ghosts: [],
  time: `m${minute}`, ...more,
});
const minutes = (...all) => all.map((minute) => bar(minute));
const shape = (places) => places.map((place) => (place.bar ? "bar" : "hole")).join(" ");

// A hole has places only where a gap is known, and at most twelve.
assert.equal(shape(view.placesOf(minutes(1, 2, 5), [])), "bar bar bar");
assert.equal(shape(view.placesOf(minutes(1, 2, 5), [{ from: 200, to: 290 }])),
  "bar bar hole hole bar");
assert.equal(shape(view.placesOf(minutes(1, 2), [{ from: 100, to: 130 }])), "bar bar");
assert.equal(view.placesOf(minutes(1, 900), [{ from: 500 }]).length, 14);
const holed = view.placesOf(minutes(1, 2, 5), [{ from: 200, to: 290 }]);
assert.deepEqual(holed.slice(2, 4), [{ from: 180, to: 240 }, { from: 240, to: 300 }]);
for (const [time, place] of [[0, 0], [90, 0.5], [180, 2], [210, 2.5], [300, 4], [999, 5]]) {
  assert.equal(view.placeOfTime(holed, time), place, `${time}`);
}

// The part that is shown is within the bars, and as wide as wanted where there are enough.
const ten = view.placesOf(minutes(...Array(10).keys()), []);
for (const [count, last, first, end] of [
  [4, 9, 6, 9], [4, 99, 6, 9], [4, 1, 0, 3], [4, -5, 0, 3], [20, 9, 0, 9], [20, 2, 0, 9],
]) {
  const found = view.windowOf(ten, count, last);
  assert.deepEqual([found.first, found.last, found.shown.length], [first, end, end - first + 1]);
}
assert.deepEqual(view.windowOf([], 4, 3).shown, []);

// What was seen of a bar that is not closed: of trades in its time alone, and of regular bars.
const seen = (before, time, price, now, bars = minutes(1, 2, 3)) =>
  view.formingOf(before, bars, { price, time }, now);
const first = seen(undefined, 241, 10, 242);
assert.deepEqual(first, { from: 240, to: 300, open: 10, close: 10, high: 10, low: 10 });
assert.deepEqual(seen(first, 250, 12, 251), { ...first, close: 12, high: 12 });
assert.deepEqual(seen(seen(first, 250, 12, 251), 260, 9, 261),
  { ...first, close: 9, high: 12, low: 9 });
// The next window begins anew, also while the bar of the last one has not come.
assert.deepEqual(seen(first, 301, 7, 302), { ...first, from: 300, to: 360, open: 7, close: 7,
  high: 7, low: 7 });
assert.equal(seen(undefined, 239, 10, 242), undefined);
assert.equal(seen(first, 299, 10, 301), undefined);
assert.deepEqual(seen(first, 239, 10, 242), first);
assert.equal(seen(undefined, 230, 10, 239), undefined);
assert.equal(view.formingOf(first, minutes(1), null, 250), undefined);
assert.equal(seen(undefined, 250, 10, 251, []), undefined);
assert.equal(seen(undefined, 250, 10, 251, [bar(1), bar(2, 10, { ended: 200 }), bar(3)]), undefined);

// Times are marked where they are round, and not too near to each other.
const hour = view.placesOf(minutes(...Array(60).keys()), []);
assert.deepEqual(scale.timeMarks(hour, 10), [0, 10, 20, 30, 40, 50]);
assert.deepEqual(scale.timeMarks(hour.slice(3), 12), [12, 27, 42]);
assert.deepEqual(scale.timeMarks(view.placesOf(minutes(58, 59, 60, 61, 62), []), 2), [0, 2, 4]);
assert.deepEqual(scale.timeMarks([], 2), []);

// Prices: the range has those of bars that stand, some of versions that were replaced, and no quote
// from far away.
assert.equal(view.rangeOf([{}]), undefined);
assert.equal(view.rangeOf(view.placesOf([bar(1, 10, { close: undefined })], [])), undefined);
assert.equal(view.rangeOf(view.placesOf([bar(1, 10, { withdrawn: true })], [])), undefined);
const near = view.rangeOf(view.placesOf([bar(1, 12)], []), [12.5, 99]);
assert.ok(near.low < 10 && near.low > 9 && near.high > 12.5 && near.high < 13);
for (const [closes, more, low, high] of [
  [[15], {}, 9.875, 12.625], [[11], {}, 9.9, 12.1], [[15, 1], {}, 9.35, 12.65],
  [[15], { withdrawn: true }, 9.75, 15.25],
]) {
  const ghosts = closes.map((close) => bar(1, close));
  const range = view.rangeOf(view.placesOf([bar(1, 12, { ghosts, ...more })], []));
  assert.ok(Math.abs(range.low - low) + Math.abs(range.high - high) < 1e-9, `${closes}`);
}
const flat = view.rangeOf(view.placesOf([bar(1, 10)], []));
assert.ok(flat.low < 10 && flat.high > 10);
for (const [low, high, about, texts] of [
  [9.7, 12.3, 5, ["10", "11", "12"]], [0.00011, 0.00019, 4, ["0.00012", "0.00014", "0.00016",
    "0.00018"]], [95, 1310, 8, ["200", "400", "600", "800", "1000", "1200"]],
  [-1, 1, 4, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]],
]) assert.deepEqual(scale.priceMarks({ low, high }, about).map((mark) => mark.text), texts);
assert.deepEqual(scale.priceMarks({ low: 9.7, high: 12.3 }, 5, 2).map((mark) => mark.text),
  ["10.00", "11.00", "12.00"]);
assert.deepEqual(["231.40", "12", undefined].map(scale.decimalsOf), [2, 0, 0]);
// Numbers that differ by less than they can be added to end all the same.
assert.ok(scale.priceMarks({ low: 1e18, high: 1e18 + 256 }, 4).length <= 9);
for (const [from, to, least, times] of [
  [61, 300, 50, [120, 180, 240, 300]], [0, 10, 20, [0]], [1, 9e7, 4e7, [63072000]],
  [1, 10, 20, []], [5, NaN, 1, []],
]) assert.deepEqual(scale.timesBetween(from, to, least), times);
for (const [values, floor] of [
  [[2310, null, 2520], 2259.6], [[2500, 2500], 2450], [[1000, 2520], 0], [[0, 5], 0],
  [[null], 0], [[], 0],
]) assert.ok(Math.abs(scale.floorOf(values) - floor) < 1e-9, `${values}`);
// The values are those at the cursor, or the newest; a hole and a void bar have none.
const valued = [...view.placesOf([bar(1, 12, { volume: "1204.5" }),
  bar(2, 12, { withdrawn: true })], []), { from: 180, to: 240 },
{ forming: { open: 10, high: 12, low: 9, close: 9.5 } }];
const valuesAt = (place) => view.valuesOf({ shown: valued, cursor: { place, y: 1 } });
assert.deepEqual(valuesAt(0), { text: "O 10  H 12  L 10  C 12", volume: 1204.5, open: 10, high: 12,
  low: 10, close: 12 });
assert.equal(view.valuesOf({ shown: valued, cursor: null }).text, "O 10  H 12  L 9  C 9.5");
assert.deepEqual([valuesAt(1), valuesAt(2), valuesAt(9), view.valuesOf({ shown: [] })],
  Array(4).fill(undefined));
assert.equal(scale.priceText(231.4567, { low: 230, high: 232 }), "231.46");

// No text of a bar is a formula of the program that reads it.
assert.equal(view.csvOf([bar(1, 12, { reason: '=1+"a",b', bid: "-0.5", trades: 3, version: 1 })]),
  "time,open,high,low,close,vwap,volume,trades,version,reason,bid,ask\n"
  + 'm1,10,12,10,12,,,3,1,"\'=1+""a"",b",-0.5,\n');

// What versions changed, and what was known of them at a time.
const versions = await script("versions.js");
const later = bar(2, 12, { known: "2026-03-02T00:30:00.5Z", missing: 0, reason: "late",
  version: 3, withdrawn: false, partial: true, marks: ["x"], ghosts: [
    { ...bar(2, 10), version: 1, known: "2026-03-02T00:03:00Z", withdrawn: false },
    { ...bar(2, 11), version: 2, known: "2026-03-02T00:03:01Z", withdrawn: true }] });
assert.equal(versions.changesOf(later.ghosts[0], later.ghosts[1]),
  "high 10 → 11, close 10 → 11, it is void");
assert.equal(versions.changesOf(later.ghosts[1], later),
  "high 11 → 12, close 11 → 12, it counts again");
assert.equal(versions.changesOf(later, later), "no value");
const known = (minute, more = {}) => bar(minute, 10, { missing: 0,
  known: `2026-03-02T00:0${minute + 1}:00Z`, bid: "9", ...more });
const row = view.placesOf([known(1), later, known(3, { known: undefined }), known(4),
  known(5, { missing: 1, version: 2 })], [{ from: 100, to: 130 }]);
assert.deepEqual(versions.momentsOf(row), ["2026-03-02T00:02:00Z", "2026-03-02T00:03:00Z",
  "2026-03-02T00:03:01Z", "2026-03-02T00:05:00Z", "2026-03-02T00:06:00Z",
  "2026-03-02T00:30:00.5Z"]);
const then = (time) => {
  const { shown, unsure } = versions.asOf(row, time);
  return [shown.map(({ bar: one, unknown }) => (one ? `${one.close}` : unknown ? "?" : ""))
    .join(" "), unsure];
};
assert.deepEqual(then("2026-03-02T00:01:00Z"), ["? ? ? ? ?", 2]);
assert.deepEqual(then("2026-03-02T00:03:00Z"), ["10 10 ? ? ?", 2]);
assert.deepEqual(then("2026-03-02T00:05:00Z"), ["10 11 ? 10 ?", 2]);
assert.deepEqual(then("2026-03-02T00:30:01Z"), ["10 12 ? 10 10", 1]);
assert.equal(versions.asOf(row, "2026-03-02T00:05:00Z").shown[0].bar.bid, undefined);
const second = versions.asOf(row, "2026-03-02T00:05:00Z").shown[1];
assert.deepEqual([second.from, second.bar.open_ns, second.bar.ghosts.length, second.bar.partial,
  second.bar.marks.length, second.bar.withdrawn], [120, later.open_ns, 1, false, 0, true]);

// Another symbol begins at the price of the first bar that both have; another source is as it is.
const { laidOver, percent } = await script("overlay.js");
const under = view.placesOf([bar(1, 10), bar(2, 11), bar(3, 12)], []);
const others = [bar(0, 7), bar(2, 44), bar(3, 55), bar(4, 1), bar(1, 1, { close: undefined })];
assert.deepEqual(laidOver(under, others, false), { points: [
  { place: 1, close: 44, text: "44", price: 11 }, { place: 2, close: 55, text: "55", price: 13.75 },
], change: 0.25 });
assert.deepEqual(laidOver(under, others, true).points.map(({ price }) => price), [44, 55]);
assert.deepEqual(laidOver(under, [bar(9, 1)], false), { points: [], change: undefined });
assert.deepEqual([percent(0.0125), percent(-0.5), percent(0)], ["+1.25 %", "−50.00 %", "0.00 %"]);

// A connection of before a computer's sleep may have kept old news: the next one is trusted.
const opened = [];
globalThis.EventSource = class {
  constructor() { this.calls = {}; opened.push(this); }
  addEventListener(name, call) { this.calls[name] = call; }
  close() { this.readyState = EventSource.CLOSED; }
};
EventSource.CLOSED = 2;
const { Stream } = await script("stream.js");
const heard = [];
let refusals = 0;
const stream = new Stream((...event) => heard.push(event), () => { refusals += 1; });
const news = (source, data) => source.calls.look({ data, lastEventId: data });
stream.keep();
stream.keep();
news(opened[0], "a");
stream.renew(1);
news(opened[1], "b");
// Another page has asked for it already.
stream.renew(1);
assert.deepEqual(heard, [["a", "a", 1], ["b", "b", 2]]);
assert.deepEqual([opened.length, opened[0].readyState], [2, EventSource.CLOSED]);
// What is closed by the server refuses, and what a page closed says nothing.
opened[0].calls.error();
assert.equal(refusals, 0);
opened[1].readyState = EventSource.CLOSED;
opened[1].calls.error();
assert.equal(refusals, 1);
stream.keep();
assert.equal(opened.length, 2);
stream.close();
stream.keep();
assert.equal(opened.length, 3);

const { BarCache, barsMax } = await script("bar-cache.js");
const cache = new BarCache();
const page = (bars, earlier, later) => ({ bars, earlier, later });
const times = () => cache.bars.map((one) => one.time).join(" ");
cache.take(page([], "a"));
assert.deepEqual([times(), cache.earlier], ["", "a"]);
const newest = page(minutes(5, 6, 7), "m2");
cache.take(newest);
cache.take(page(minutes(2, 3, 4, 5), "m0", "m6"));
assert.deepEqual([times(), cache.earlier, cache.later], ["m2 m3 m4 m5 m6 m7", "m0", undefined]);
// A newer page counts for its own time; the same one is not taken twice.
cache.take(page(minutes(6, 8), "m2"));
cache.take(newest);
assert.equal(times(), "m2 m3 m4 m5 m6 m8");
cache.take(page([...minutes(9), bar(9, 10, { number: "1", time: "again" })], "m2"), "adjoin");
assert.equal(times(), "m2 m3 m4 m5 m6 m8 m9 again");
cache.take(page(minutes(...Array(barsMax + 5).keys()).map((one) => (
  { ...one, open_ns: `${BigInt(one.open_ns) + 1_000_000_000_000n}` })), "m9"), "adjoin");
cache.trim(cache.bars.length - 1);
assert.equal(cache.bars.length, barsMax);
assert.equal(cache.earlier, cache.bars[0].time);
cache.bars.push(bar(10 ** 6));
cache.trim(0);
assert.deepEqual([cache.bars.length, cache.later], [barsMax, cache.bars.at(-1).time]);
// What may have bars before it that are not known begins anew, or is left for later.
const far = page(minutes(10 ** 7), "m99");
cache.take(far, "skip");
assert.equal(cache.bars.length, barsMax);
cache.endAt(cache.later);
assert.equal(cache.later, undefined);
cache.take(far);
assert.deepEqual([cache.bars.length, cache.earlier], [1, "m99"]);
cache.forget();
assert.deepEqual([times(), cache.earlier], ["", undefined]);

// An answer in SQL: what is a number, what a line is drawn over, and what other programs read.
const answer = await script("answer.js");
const asked = [["2026-03-02 14:41:00+00", "2", null], ["2026-03-02 14:40:00+00", "1.5", "-3"],
  [null, "7", "x"]];
assert.deepEqual(answer.numberColumns(["ts", "a", "b"], asked), [1]);
assert.deepEqual(answer.numberColumns(["ts", "a", "b"], asked.slice(0, 2)), [1, 2]);
assert.deepEqual(answer.numberColumns(["a"], [[null]]), []);
for (const [text, time] of [["1970-01-01", 0], ["1970-01-01 00:01:00", 60],
  ["1970-01-01 00:00:01.5+00", 1.5], ["1970-01-01 01:00:00+01", 0]]) {
  assert.equal(answer.seconds(text), time, text);
}
const start = Date.UTC(2026, 2, 2, 14, 40) / 1000;
assert.deepEqual(answer.linesOf(["ts", "a", "b"], asked.slice(0, 2)), { isTime: true,
  x: [start, start + 60],
  lines: [{ name: "a", values: [1.5, 2] }, { name: "b", values: [-3, null] }] });
assert.deepEqual(answer.linesOf(["a"], [["1"], ["4e1"]]), { isTime: false, x: [0, 1],
  lines: [{ name: "a", values: [1, 40] }] });
assert.equal(answer.linesOf(["ts", "a"], asked.slice(0, 1)), undefined);
assert.equal(answer.linesOf(["b"], [["x"], ["y"]]), undefined);
assert.equal(answer.linesOf(["a", "b", "c", "d", "e"], Array(2).fill(Array(5).fill("1")))
  .lines.length, answer.linesMax);
assert.equal(answer.csvOf(["a", 'b"'], [[null, ""], ["=1", "-1e5"], ["-x", "a,\n"]]),
  'a,"b"""\n,""\n\'=1,-1e5\n\'-x,"a,\n"\n');
