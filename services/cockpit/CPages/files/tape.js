// The page of single packets of the tape: decoded, beside their bytes.

import { start, documentAt, put, doubt, question, element as field } from "./live.js";
import { list } from "./table.js";

const names = ["input", "symbol", "partition", "source", "seek", "at", "count"];
// What is asked now, and its answer, which does not change any more.
const shown = { path: "", answer: null };
const news = documentAt(() => (shown.answer ? "" : shown.path));

function ask() {
  [shown.path, shown.answer] = [`tape.json?${question(names)}`, null];
  put(field("words"), "Asked: waiting for the answer.", "");
  draw(null);
}

function bytesText(hex, count) {
  const lines = [];
  for (let place = 0; place < hex.length; place += 32) {
    const row = hex.slice(place, place + 32).match(/../g) || [];
    const text = row.map((byte) => {
      const code = parseInt(byte, 16);
      return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : ".";
    }).join("");
    const offset = (place / 2).toString(16).padStart(4, "0");
    lines.push(`${offset}  ${row.join(" ").padEnd(47)}  ${text}`);
  }
  const rest = count - hex.length / 2;
  if (rest > 0) lines.push(`… and ${rest} bytes more`);
  return lines.join("\n");
}

function pair(list, name, value) {
  const part = document.createElement("div");
  const [term, text] = [document.createElement("dt"), document.createElement("dd")];
  [term.textContent, text.textContent] = [name, value];
  part.append(term, text);
  list.append(part);
}

function article(packet) {
  const copy = document.importNode(field("packet").content, true);
  const find = (name) => copy.querySelector(name);
  const title = `Packet ${packet.sequence}`;
  find("h3").textContent = `${title}, stored at ${packet.time}`;
  if (packet.problem) find(".bad").textContent = `It cannot be read: ${packet.problem}`;
  else find(".bad").remove();
  for (const [name, value] of packet.header || []) pair(find("dl"), name, value);
  if (!packet.header) find("dl").remove();
  for (const [name, value] of packet.marker || []) {
    pair(find("dl"), `marker: ${name}`, value);
  }
  const more = packet.more ? `, and ${packet.more} more` : "";
  const listed = `${packet.ticks.length} listed${more}`;
  find("caption").textContent = `${listed}, of ${packet.subject}`;
  find(".scroll").setAttribute("aria-label", `Ticks of packet ${packet.sequence}`);
  list(find("table"), packet.ticks, false, (tick) => [
    tick.ordinal === undefined ? "–" : tick.ordinal, tick.kind, tick.symbol || "–",
    tick.time, tick.fields.map(([name, value]) => `${name} ${value}`).join(", "),
  ]);
  find("pre").setAttribute("aria-label", `Bytes of packet ${packet.sequence}`);
  find("pre").textContent = bytesText(packet.hex, packet.bytes);
  return copy;
}

function place(value) {
  const newest = value.newest
    ? ` The newest packet is ${value.newest.sequence}, stored at ${value.newest.time}.`
    : " There is no packet of it.";
  const of = value.symbol ? ` ${value.symbol} is in partition ${value.partition}.` : "";
  return `${value.subject} in ${value.stream}.${of}${newest}`;
}

function draw(value) {
  put(field("place"), value ? place(value) : "–");
  field("packets").replaceChildren(...(value ? value.packets.map(article) : []));
}

function words(value) {
  const count = value.packets.length;
  const cut = value.cut ? " The time or the room of one answer was over: continue." : "";
  const none = count ? "" : " No packet is there from that place on.";
  return `${count} packet${count === 1 ? "" : "s"}, read at ${value.time}.${none}${cut}`;
}

field("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
field("next").addEventListener("click", () => {
  const packets = shown.answer && shown.answer.packets;
  if (!packets || !packets.length) {
    return put(field("words"), "Nothing to continue after: show packets first.", "");
  }
  field("seek").value = "sequence";
  field("at").value = `${packets.at(-1).sequence + 1}`;
  ask();
});

const given = new URLSearchParams(location.search);
for (const name of names) if (given.has(name)) field(name).value = given.get(name);
if (`${given}`) ask();

start((look) => {
  const found = news(look);
  if (!shown.path || shown.answer) return;
  if (found.refused) {
    // It is said once; another question may be asked.
    shown.path = "";
    return put(field("words"), `Refused: ${found.refused}.`, "warning");
  }
  if (found.value) {
    shown.answer = found.value;
    put(field("words"), words(found.value), "");
    return draw(found.value);
  }
  const why = doubt() || found.absence;
  if (why && why !== "not asked yet") {
    put(field("words"), `Not known yet: ${why}.`, "unknown");
  }
});
