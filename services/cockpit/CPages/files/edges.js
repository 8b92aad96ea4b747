// How a step of a tick's way is, for people.

import { age, doubt, isStale, span } from "./live.js";

export const symbols = { flows: "●", quiet: "◌", behind: "▲", dead: "✕", unknown: "?",
  closed: "◇" };

// What waits is late after so many seconds, or when it is not known how long.
export const lateAfter = 5;
export const isLate = (lag) => lag.records > 0 && !(lag.seconds <= lateAfter);

// The state of a step and its words, unless its news have grown old.
export function stateOf(edge) {
  // Of what was never measured the server says why.
  const isNew = edge.state === "unknown" && edge.at === undefined && !doubt();
  if (edge.state === "dead" || isNew || !isStale(edge)) return [edge.state, edge.words];
  return ["unknown", doubt() || `no news for ${span(age(edge.at))}`];
}
