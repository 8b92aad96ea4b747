// What the versions of bars changed, and what was known of bars at a time. Pure, and without
// imports: a test reads it alone.

const names = ["open", "high", "low", "close", "vwap", "volume", "trades"];

// What a version changed of the one before it, in words.
export function changesOf(before, after) {
  const text = (version, name) => `${version[name] ?? "–"}`;
  const changes = names.filter((name) => text(before, name) !== text(after, name))
    .map((name) => `${name} ${text(before, name)} → ${text(after, name)}`);
  if (before.withdrawn !== after.withdrawn) {
    changes.push(after.withdrawn ? "it is void" : "it counts again");
  }
  return changes.join(", ") || "no value";
}

const versionsOf = (bar) => [...bar.ghosts, bar];

// The times at which something of the shown places became known, in their order.
export function momentsOf(shown) {
  const times = shown.flatMap(({ bar }) => (bar ? versionsOf(bar) : []))
    .map((version) => version.known).filter((time) => time !== undefined);
  const sorted = [...new Set(times)].sort((one, other) => Date.parse(one) - Date.parse(other));
  return sorted;
}

// The shown places as they were known at a time. A bar that was not known has none, and `unsure`
// counts those of which nobody can say it: an earlier version is not stored any more, or it is not
// known when one came.
export function asOf(shown, time) {
  const end = Date.parse(time);
  let unsure = 0;
  const places = shown.map((place) => {
    if (!place.bar) return place;
    const all = versionsOf(place.bar);
    const found = all.map((version) => Date.parse(version.known) <= end).lastIndexOf(true);
    const isUnsure = all.slice(found + 1).some((version) => version.known === undefined)
      || (found < 0 && place.bar.missing > 0);
    if (isUnsure) unsure += 1;
    if (found < 0 || isUnsure) return { from: place.from, to: place.to, unknown: true };
    // When the quotes beside it became known nobody says.
    const bar = found === all.length - 1
      ? { ...place.bar, bid: undefined, ask: undefined } : earlier(place.bar, found);
    return { ...place, bar };
  });
  return { shown: places, unsure };
}

// A bar with an earlier version of it in its place. What the row says besides is of the last one.
function earlier(bar, found) {
  const { time, open_ns, number, ended, missing } = bar;
  return { time, open_ns, number, ended, missing, marks: [], partial: false,
    ...bar.ghosts[found], ghosts: bar.ghosts.slice(0, found) };
}
