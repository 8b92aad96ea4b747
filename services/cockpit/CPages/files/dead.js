// The page of the records that were refused, and of what a replay would do with them.

import { startWith, age, isStale, span, put, doubt, element, short, count } from "./live.js";
import { list, offer } from "./table.js";
import { watchCopies } from "./copy.js";

const what = element("what");
const [dry, real] = ["dry", "real"].map(element);
const inputs = { dry, real };
const kinds = {
  tried: "warning", present: "good", retired: "", ahead: "warning", unknown: "bad",
  undecodable: "bad", untaped: "bad", elsewhere: "bad",
};
let commands = { all: "", dry: "" };

function why(part) {
  if (!part) return doubt() || "waiting for the first news";
  return doubt() || part.absence || "the answer is old";
}

function words(letters) {
  if (!letters || isStale(letters)) return [`Not known: ${why(letters)}.`, "unknown"];
  const asked = ` Asked ${span(age(letters.at))} ago.`;
  const unread = letters.unread ? ` ${letters.unread} messages are not read yet.` : "";
  const older = letters.older ? " Older messages are not counted." : "";
  const bad = letters.unreadable
    ? ` ${letters.unreadable} messages are no letters.` : "";
  const lost = letters.ungrouped
    ? ` ${letters.ungrouped} of them are of further causes, which are not listed.` : "";
  const rest = `${lost}${bad}${unread}${older}${asked}`;
  if (!letters.count) {
    const isSure = !letters.unread && !letters.unreadable && !letters.older;
    return [isSure ? `No dead letters.${rest}` : `No dead letters so far.${rest}`,
      isSure ? "good" : "warning"];
  }
  const plural = letters.count === 1 ? "" : "s";
  return [`${letters.count} dead letter${plural}.${rest}`, "warning"];
}

function fate(item) {
  if (item.word === undefined) return ["? not looked up yet", "unknown"];
  if (isStale(item)) return [`${item.sentence} (old)`, "long stale"];
  return [item.sentence, `long ${kinds[item.word] || ""}`.trim()];
}

function outlook(news, letters) {
  const replays = news.replays;
  if (!letters || isStale(letters)) return [`Not known: ${why(letters)}.`, "unknown"];
  if (!news.items.length) {
    return [letters.unread ? "The letters are still being read."
      : "Nothing: there are no letters.", ""];
  }
  if (isStale(replays)) return [`Not known: ${why(replays)}.`, "unknown"];
  const counts = new Map();
  for (const item of news.items) {
    const word = item.word === undefined || isStale(item) ? "not known" : item.word;
    counts.set(word, (counts.get(word) || 0) + 1);
  }
  const parts = [...counts].sort().map(([word, count]) => `${count} ${word}`);
  return [`Of the ${news.items.length} newest: ${parts.join(", ")}.`, ""];
}

// What one would choose a command for: all letters, and those of each reason and table.
function showCommands(news) {
  commands = { all: news.all || "", dry: news.dry || "" };
  const found = new Set((news.groups || []).map((group) => group.command));
  found.delete(undefined);
  offer(what, [...found], (command) => command.replace("tapeline dlq replay ", ""));
  showCommand();
}

function showCommand() {
  const command = what.value || commands.all;
  setValue(inputs.real, command);
  setValue(inputs.dry, command && `${command} ${commands.dry}`);
}

function setValue(input, text) {
  if (input.value !== text) input.value = text;
}

watchCopies(element("copied"));
what.addEventListener("change", showCommand);

startWith("dead.json", (look, news) => {
  const letters = look ? news.letters : null;
  const isOld = !letters || isStale(letters);
  put(element("words"), ...words(letters));
  list(element("groups"), (look && news.groups) || [], isOld, (group) => [
    group.reason, group.sink, group.cause, count(group.letters), count(group.ticks),
    short(group.first), short(group.last),
  ]);
  list(element("letters"), (look && news.items) || [], isOld, (item) => [
    item.id, short(item.noted), item.reason, item.sink, item.symbol, [item.cause, "long"],
    [item.message || "–", "long"], fate(item),
  ]);
  put(element("outlook"), ...outlook(news, letters));
  showCommands(look ? news : {});
});
