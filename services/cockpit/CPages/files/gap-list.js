// The list of gaps, which is fetched when its version changes.

import { isStale } from "./live.js";

export class GapList {
  constructor() {
    this.version = null;
    this.items = [];
    this.asked = null;
    this.differsSince = null;
  }

  // To be called with each look.
  follow(look) {
    if (this.version === look.gaps_version) {
      this.differsSince = null;
      return;
    }
    this.differsSince ??= performance.now();
    this.ask(look.gaps_version);
  }

  async ask(version) {
    if (this.asked === version) return;
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

  isOld(look) {
    const differs = this.differsSince !== null && performance.now() - this.differsSince > 2000;
    return isStale(look.gaps) || differs || this.version === null;
  }
}
