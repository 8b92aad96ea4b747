// The list of gaps, which is fetched when its version changes.

import { first, isStale } from "./live.js";

// What each is called in the counts.
const states = { lasts: "open", waits: "open", filling: "filling", never: "abandoned",
  elsewhere: "books" };

export class GapList {
  constructor() {
    this.version = null;
    this.items = [];
    [this.asked, this.wasAsked] = [null, false];
    this.differsSince = null;
  }

  // To be called with each look.
  follow(look) {
    if (this.version === look.gaps_version) {
      this.differsSince = null;
      return;
    }
    this.differsSince ??= performance.now();
    if (this.asked === look.gaps_version) return;
    const answer = this.ask(look.gaps_version);
    // The page draws itself after its first answer, which comes here again.
    if (!this.wasAsked) first(answer);
    this.wasAsked = true;
  }

  async ask(version) {
    this.asked = version;
    try {
      const answer = await fetch("gaps.json");
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const { version: found, items } = await answer.json();
      this.version = found;
      this.items = items;
    } catch {
      // The next look asks again; until then the list counts as old.
    }
    this.asked = null;
  }

  // Of a state of which more are on record than are listed, those before this time are not known.
  cutAt(look) {
    const listed = new Map();
    for (const { outlook, from } of this.items) {
      const state = states[outlook];
      const { count, least } = listed.get(state) || { count: 0, least: Infinity };
      listed.set(state, { count: count + 1, least: Math.min(least, from) });
    }
    const cut = [...listed].filter(([state, { count }]) => look.gap_counts[state] > count);
    return Math.max(-Infinity, ...cut.map(([, { least }]) => least));
  }

  isOld(look) {
    const differs = this.differsSince !== null && performance.now() - this.differsSince > 2000;
    return isStale(look.gaps) || differs || this.version === null;
  }
}
