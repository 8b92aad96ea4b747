// How a step of a tick's way is, for people.

import { age, doubt, isStale, span } from "./live.js";

export const symbols = { flows: "●", quiet: "◌", behind: "▲", dead: "✕", unknown: "?",
  closed: "◇" };

// The state of a step and its words, unless its news have grown old.
export function stateOf(edge) {
  // Of what was never measured the server says why.
  const isNew = edge.state === "unknown" && edge.at === undefined && !doubt();
  if (edge.state === "dead" || isNew || !isStale(edge)) return [edge.state, edge.words];
  return ["unknown", doubt() || `no news for ${span(age(edge.at))}`];
}
