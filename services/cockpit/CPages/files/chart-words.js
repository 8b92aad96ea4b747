// What a chart says of its bars in words, and the table of them.

import { fill } from "./table.js";
import { timeOf, timeText } from "./clock.js";
import { percent } from "./overlay.js";
import { changesOf } from "./versions.js";
import { element } from "./live.js";

export function remarks(bar) {
  const missing = bar.missing ? [`${bar.missing} versions are not stored any more`] : [];
  const signs = bar.partial ? "▲ " : bar.withdrawn ? "✕ " : "";
  return signs + bar.marks.concat(missing).join("; ") || "–";
}

const texts = (bar, names) => names.map((name) => bar[name] || "–");
export const prices = (bar) => texts(bar, ["open", "high", "low", "close"]);

function rows(bar, address) {
  const own = {
    kind: "", cells: [
      [bar.time, "", address(bar)], ...prices(bar), ...texts(bar, ["bid", "ask"]),
      bar.volume, `${bar.trades}`, `${bar.version > 1 ? "◆ " : ""}${bar.version}`, bar.reason,
      bar.delay || "not known", remarks(bar),
    ],
  };
  const ghosts = bar.ghosts.toReversed().map((ghost) => ({
    kind: "quiet", cells: [
      `┄ ${bar.time}`, ...prices(ghost), "–", "–", ghost.volume, `${ghost.trades}`,
      `${ghost.version}`, ghost.reason, ghost.delay || "not known",
      ghost.withdrawn ? "✕ void; replaced" : "replaced",
    ],
  }));
  return [own, ...ghosts];
}

const drawn = { bars: null, isOld: false };

// A person who is at a bar stays at it when a newer one comes.
export function showTable(bars, isOld, address) {
  const isSame = drawn.isOld === isOld && drawn.bars && drawn.bars.length === bars.length
    && drawn.bars.every((bar, index) => bar === bars[index]);
  if (isSame) return;
  [drawn.bars, drawn.isOld] = [bars, isOld];
  const table = element("bars");
  const held = document.activeElement.closest("#bars a");
  const place = held && held.getAttribute("href");
  fill(table, bars.toReversed().flatMap((bar) => rows(bar, address)).map((row) => (
    { ...row, kind: isOld ? "stale" : row.kind })));
  if (!place || held.getAttribute("href") === place) return;
  const again = [...table.querySelectorAll("a")]
    .find((link) => link.getAttribute("href") === place);
  if (again) again.focus();
}

// What was changed, when and why.
function versionWords(bar) {
  const before = bar.ghosts.at(-1);
  if (!before) return `version ${bar.version}`;
  const when = bar.known ? ` at ${timeText(bar.known)}` : "";
  return `version ${bar.version} (${bar.reason}${when}: ${changesOf(before, bar)})`;
}

// The values at the cursor of a picture.
export function valuesAt({ cursor, shown, over }) {
  const place = cursor && shown[cursor.place];
  if (!place) return "Point at a bar, or press ← and → in the picture, to read its values.";
  const { bar, forming, from, to, unknown } = place;
  if (forming) {
    return `${timeOf(from)}: not closed yet; seen once a second: open ${forming.open}, high ${
      forming.high}, low ${forming.low}, close ${forming.close}`;
  }
  if (unknown) return `${timeOf(from)}: nothing was known of it then, or that is not stored`;
  if (!bar) return `${timeOf(from)} to ${timeOf(to).slice(11)}: no bar, ticks are missing`;
  const names = ["open", "high", "low", "close", "volume", "trades", "bid", "ask"];
  const values = names.filter((name) => bar[name] !== undefined)
    .map((name) => `${name} ${bar[name]}`);
  const marks = bar.partial || bar.withdrawn || bar.marks.length ? `, ${remarks(bar)}` : "";
  const point = over && over.points.find((one) => one.place === cursor.place);
  const other = point
    ? `, ${over.name} ${point.text} (${percent(point.close / over.points[0].close - 1)})` : "";
  return `${timeText(bar.time)}: ${values.join(", ")}${other}, ${versionWords(bar)}${marks}`;
}
