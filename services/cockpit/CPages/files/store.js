// The fourth page: what the writers do, and how much room the database has.

import { startWith, ago, isStale, span, put, doubt, bytes, count, element } from "./live.js";
import { fill, list } from "./table.js";
import { drawBars } from "./bars.js";
import { isLate } from "./edges.js";

const breakers = {
  0: ["● closed", "flows"], 1: ["▲ half-open: one tries", "warning"],
  2: ["✕ open: nothing is sent", "bad"],
};
const missing = (part) => doubt() || (part && part.at === undefined
  ? "no writer's page has said it yet" : "the answer is old");

function number(value, unit) {
  if (value === undefined) return "–";
  return `${value < 10 ? value.toFixed(1) : count(Math.round(value))}${unit}`;
}

function duration(value) {
  if (value === undefined) return "–";
  return value < 1 ? `${(value * 1000).toFixed(1)} ms` : span(value);
}

function oldest(lag) {
  if (!lag) return "–";
  const text = lag.records === 0 ? "nothing waits"
    : `${lag.seconds === undefined ? "" : `${span(lag.seconds)}, `}${count(lag.records)} records`;
  if (isStale(lag)) return [`${text} (old)`, "stale"];
  return isLate(lag) ? [`▲ ${text}`, "behind"] : text;
}

// The store that everybody has is not named.
function ofStore(what, writer) {
  return ["", "store"].includes(writer.store) ? what : `${what} of ${writer.store}`;
}

function showWriters(writers) {
  const isOut = (writer) => isStale(writer) || writer.problem !== undefined;
  list(element("writers"), writers, isOut, (writer) => {
    const isOld = isOut(writer);
    const breaker = isOld ? ["? not known", "unknown"]
      : breakers[writer.breaker] || ["? not known", "unknown"];
    const fails = writer.errors > 0 ? [`${number(writer.errors, " failures/s")}: ${
      writer.error || "no reason given"}`, "bad"] : writer.error || "–";
    return [
      ofStore(writer.name, writer), breaker, oldest(writer.unwritten),
      number(writer.rows, " rows/s"), number(writer.rows_per_batch, ""), duration(writer.latency),
      writer.queue === undefined ? "–" : `${count(writer.queue)} of ${count(writer.queue_max)}`,
      writer.problem ? [`✕ ${writer.problem}`, "bad"] : fails, ago(writer.at),
    ];
  });
}

function showWords(news, writers) {
  const line = element("words");
  const alive = writers.filter((writer) => !isStale(writer) && !writer.problem);
  if (isStale(news) || (writers.length && !alive.length)) {
    return put(line, `Not known: ${missing(news)}.`, "unknown");
  }
  if (!writers.length) {
    return put(line,
      "Not known: no writer has answered (COCKPIT_SERVICES names them).", "unknown");
  }
  const open = alive.filter((writer) => writer.breaker > 0).length;
  if (open) {
    return put(line, `${open} writers do not reach the database, or it takes nothing `
      + "(docs/runbooks/BreakerOpen.md).", "bad");
  }
  const blocked = alive.find((writer) => writer.apart.length);
  if (blocked) {
    const first = blocked.apart[0];
    return put(line, `The table ${ofStore(first.table, blocked)} does not take its rows since ${
      first.since || "?"}, so its group waits apart, ${span(first.behind)} behind; the others are `
      + `written (docs/runbooks/TableBlocked.md): ${first.reason}`, "bad");
  }
  const late = alive.filter((writer) => writer.unwritten && isLate(writer.unwritten)).length;
  if (late) {
    return put(line, `${late} writers have rows that are late `
      + "(docs/runbooks/Objectives.md).", "warning");
  }
  const unsure = alive.filter((writer) => !breakers[writer.breaker]
    || (writer.unwritten && isStale(writer.unwritten))).length;
  if (unsure) {
    return put(line, `Not known of ${unsure} writers: what waits, or their breakers.`, "unknown");
  }
  put(line, `${alive.length} of ${writers.length} writers answer, and nothing is late.`,
    alive.length === writers.length ? "good" : "warning");
}

// Writers measure every few minutes.
function sized(room, look) {
  const seconds = Date.parse(look.time) / 1000 - room.sized_at;
  return Number.isFinite(seconds) ? `, measured ${span(Math.max(0, seconds))} ago`
    : ", measured at a time that is not known";
}

function roomWords(room, look) {
  if (!room || isStale(room)) return [`Not known: ${missing(room)}.`, "unknown"];
  const used = `${bytes(room.used)} are used`;
  const when = sized(room, look);
  const unsized = room.sized_at === undefined ? "unknown" : "";
  const seen = span(room.growth_seconds);
  const growth = room.growth === undefined
    ? `. Growth is known after 15 min of looking (so far ${seen})`
    : room.growth > 0 ? `, and ${bytes(room.growth * 3600)} more each hour, by ${seen}`
      : `, and it has not grown in ${seen}`;
  if (room.capacity === undefined) {
    return [`${used}${when}${growth}. WRITER_DATABASE_BYTES would say of how many.`, unsized];
  }
  const full = room.full === undefined ? "" : ` It is full in ${span(room.full)}.`;
  const trouble = room.trouble
    ? ` ${room.trouble} (docs/runbooks/${room.runbook}.md).` : "";
  const free = `${bytes(room.free)} are free`;
  const text = `${used} of ${bytes(room.capacity)}, ${free}${when}${growth}.`
    + `${full}${trouble}`;
  return [text, room.trouble ? "bad" : unsized || "good"];
}

function showRoom(room, look) {
  const [text, kind] = roomWords(room, look);
  put(element("room"), text, kind);
  const tables = (room && room.tables) || [];
  const isOld = !room || isStale(room);
  const part = (value) => (room.used ? `${(value / room.used * 100).toFixed(1)} %` : "–");
  list(element("tables"), tables, isOld, (table) => [
    table.name, bytes(table.bytes), part(table.bytes),
  ]);
  const bars = tables.map((table) => [table.name, table.bytes, bytes(table.bytes)]);
  // Much free room would make all else invisible.
  if (room && room.capacity !== undefined && !isOld && room.free < 4 * room.used) {
    bars.push(["free", room.free, bytes(room.free)]);
  }
  drawBars(element("sizes"), bars, isOld);
}

function durability(writers) {
  const alive = writers.filter((writer) => !isStale(writer) && !writer.problem);
  const known = alive.filter((writer) => writer.durable !== undefined);
  if (!known.length) return [`Not known: ${missing(null)}.`, "unknown"];
  const troubles = [...new Set(known.flatMap((writer) => writer.problems
    .concat(writer.database_problem === undefined ? [] : [writer.database_problem])))];
  if (troubles.length) {
    return [`${troubles.join("; ")} (docs/runbooks/DatabaseNotDurable.md).`, "bad"];
  }
  return known.every((writer) => writer.durable)
    ? ["A COMMIT outlives a crash of the database.", "good"]
    : ["A COMMIT does not outlive a crash of the database; nothing promises that it does.",
      "warning"];
}

function showSafety(look, news, writers) {
  put(element("durable"), ...durability(writers));
  const backups = news.backups;
  const isOld = !backups || isStale(backups);
  const now = look ? Date.parse(look.time) / 1000 : 0;
  const items = (backups && backups.items) || [];
  if (!items.length && !isOld) {
    return fill(element("backups"), [{ kind: "", cells: ["none is noted", "–", "–"] }]);
  }
  list(element("backups"), items, isOld, (backup) => [
    backup.kind, `${span(now - backup.finished)} ago`,
    isOld ? ["? not known", "unknown"]
      : backup.old ? ["▲ too old (docs/runbooks/Backups.md)", "warning"]
        : ["● in time", "flows"],
  ]);
}

startWith("store.json", (look, news) => {
  const writers = (look && news.writers) || [];
  showWords(news, writers);
  showWriters(writers);
  showRoom(look ? news.room : null, look);
  showSafety(look, look ? news : {}, writers);
});
