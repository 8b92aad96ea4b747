// The third page: who owns each partition, how far it is, and how busy it is.

import { startWith, age, ago, isStale, span, put, doubt, element, short, count } from "./live.js";
import { fill, list, offer } from "./table.js";
import { drawMatrix } from "./matrix.js";
import { isLate } from "./edges.js";

const group = element("group");
const order = element("order");
const which = element("which");
let newest = [null, {}];

// The text, grey when it is too old to speak of now.
function cell(part, text, kind = "") {
  if (!part) return "–";
  return isStale(part) ? [`${text} (old)`, "stale"] : [text, kind];
}

const isBehind = (lag) => !!lag && !isStale(lag) && isLate(lag);
// A lag has its sign when it is late.
const lagCell = (lag, text) => (lag && isLate(lag)
  ? cell(lag, `▲ ${text}`, "behind") : cell(lag, text));

function showGroups(groups) {
  fill(element("groups"), groups.map((one) => {
    const alive = one.members.filter((member) => !isStale(member));
    const owned = one.rows.filter((row) => row.owners.length && !isStale(row)).length;
    const mark = (member) => (isStale(member) ? "✕ silent"
      : member.state === "ready" ? "●" : "◌");
    const names = one.members.map((member) => `${mark(member)} ${member.name}`);
    const scaler = one.scaler;
    const drain = scaler && scaler.drain !== undefined
      ? `, worked off in ${span(scaler.drain)}` : "";
    const lag = scaler && `${count(scaler.records)} records`
      + (scaler.seconds === undefined ? "" : `, ${span(scaler.seconds)}`) + drain;
    return {
      kind: alive.length ? "" : "stale",
      cells: [
        one.name, names.join(", ") || "none",
        [`${owned} of ${one.partitions}`, owned === one.partitions ? "good" : "bad"],
        lagCell(scaler, lag),
        cell(scaler, scaler && `${scaler.asks} (${alive.length} there)`),
        scaler ? ago(scaler.at) : "–",
      ],
    };
  }));
}

function owner(row) {
  if (!row.owners.length || isStale(row)) return ["✕ nobody", "bad"];
  if (row.owners.length > 1) return [`✕ several: ${row.owners.join(", ")}`, "bad"];
  return [`● ${row.owners[0]}`, "flows"];
}

function behind(lag) {
  if (!lag) return "–";
  const time = lag.seconds === undefined ? "" : `${span(lag.seconds)}, `;
  return lagCell(lag, `${time}${count(lag.records)} records`);
}

function part(share) {
  if (!share) return "–";
  const percent = (share.part * 100).toFixed(1);
  return cell(share, `${share.hot ? "▲ hot: " : ""}${percent} %`, share.hot ? "hot" : "");
}

const orders = {
  partition: (one, other) => one.partition - other.partition,
  behind: (one, other) => worst(other) - worst(one),
  share: (one, other) => (other.share?.part || 0) - (one.share?.part || 0),
};
// The picture has the others.
const differs = (row) => row.owners.length !== 1 || isStale(row) || !!(row.share && row.share.hot)
  || !!(row.lag && (isStale(row.lag) || isLate(row.lag)));
const worst = (row) => (row.lag ? row.lag.seconds ?? Infinity : -1);

function showRows(groups, shares) {
  const rows = groups.filter((one) => !group.value || one.name === group.value)
    .flatMap((one) => one.rows.map((row) => ({
      ...row, group: one.name, share: one.partitions > 1 ? shares.get(row.partition) : null,
    }))).filter((row) => which.value === "all" || differs(row));
  const compare = orders[order.value];
  rows.sort((one, other) => compare(one, other) || orders.partition(one, other));
  list(element("rows"), rows, (row) => !row.owners.length || isStale(row), (row) => [
    `${row.partition}`, row.group, owner(row),
    cell(row.record, row.record && `${row.record.epoch}`), behind(row.lag),
    cell(row.checkpoint, row.checkpoint && ago(row.checkpoint.stored)),
    row.record ? short(row.record.since) : "–", row.previous || "–", part(row.share),
    ago(row.at),
  ]);
}

// Green is what is owned and on time. A partition that is hot alone is neither good nor late.
function words(news, groups, shares) {
  const line = element("words");
  if (isStale(news)) {
    return put(line, `Not known: ${doubt() || "the answer is old"}.`, "unknown");
  }
  const rows = groups.flatMap((one) => one.rows);
  const lost = rows.filter((row) => row.owners.length !== 1 || isStale(row)).length;
  const late = groups.filter((one) => isBehind(one.scaler)
    || one.rows.some((row) => isBehind(row.lag))).map((one) => one.name);
  const unread = rows.filter((row) => row.lag && isStale(row.lag)).length;
  const hot = [...shares.values()].filter((share) => share.hot && !isStale(share));
  const heat = hot.length
    ? ` Hot, with more than twice the ticks of others: ${
      hot.map((share) => share.partition).join(", ")}.` : "";
  const text = lost ? `${lost} partitions do not have one live owner.`
    : "Each partition has one live owner.";
  const delay = (late.length ? ` Late: ${late.join(", ")}.` : "")
    + (unread ? ` How far ${unread} are read is not known.` : "");
  put(line, `${text}${delay}${heat} Made ${span(age(news.at))} ago.`,
    lost ? "bad" : late.length ? "warning" : unread ? "unknown" : hot.length ? "" : "good");
}

function show(look, news) {
  newest = [look, news];
  const groups = (look && news.groups) || [];
  const shares = new Map(((look && news.shares) || []).map((one) => [one.partition, one]));
  words(news, groups, shares);
  offer(group, groups.map((one) => one.name));
  showGroups(groups);
  showRows(groups, shares);
  drawMatrix(element("matrix"), groups, shares, isStale);
}

for (const control of [group, order, which]) {
  control.addEventListener("change", () => show(...newest));
}
startWith("partitions.json", show);
