// scripts.mjs FOLDER: proves what scripts of the pages compute, without a browser. FOLDER has them.
// It ends with 1 and says what differs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

// A script that imports nothing.
const script = (name) => import(`data:text/javascript,${
  encodeURIComponent(readFileSync(`${process.argv[2]}/${name}`, "utf8"))}`);

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
