// The stream of events. A browser has six connections to a host, and a stream holds one for as
// long as it is open. So all pages of a browser share one, and pages that nobody sees have none.

// Connects again by itself, also by a link that says nothing.
const silenceMax = 6000;
const pauseAfterRefusal = 2000;

export class Stream {
  // `take` gets the data and the id of each event. `refuse` is called when the server
  // answers, and gives no events.
  constructor(take, refuse) {
    this.take = take;
    this.refuse = refuse;
    this.source = null;
    this.heard = 0;
    // Of the newest connection, which `take` gets with each event.
    this.number = 0;
  }

  // To be called often while somebody looks.
  keep() {
    if (!this.source || performance.now() - this.heard > silenceMax) this.connect();
  }

  connect() {
    this.close();
    this.heard = performance.now();
    this.number += 1;
    const { number } = this;
    const source = new EventSource("events");
    source.addEventListener("look", (event) => {
      this.heard = performance.now();
      this.take(event.data, event.lastEventId, number);
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED || source !== this.source) return;
      this.heard = performance.now() - silenceMax + pauseAfterRefusal;
      this.refuse();
    });
    this.source = source;
  }

  // While a computer sleeps its connections keep what came last, which is then older than it seems.
  // So a page trusts the next connection alone. Other pages may have asked for it already.
  renew(number) {
    if (number === this.number) this.connect();
  }

  close() {
    if (this.source) this.source.close();
    this.source = null;
  }
}

// The same by the worker that all pages of a browser share.
export class SharedStream {
  // `fail` is called when there is no such worker, or when it does not answer.
  constructor(take, refuse, fail) {
    const worker = new SharedWorker("worker.js", { type: "module" });
    this.fail = fail;
    this.unanswered = 0;
    worker.addEventListener("error", () => this.end());
    this.port = worker.port;
    this.port.addEventListener("message", ({ data }) => {
      this.unanswered = 0;
      if (data.refused) refuse();
      if (data.event) take(...data.event);
    });
    this.port.start();
  }

  // Counts, as a clock goes on while the computer sleeps.
  keep() {
    this.unanswered += 1;
    if (this.unanswered > 40) return this.end();
    this.port.postMessage(true);
  }

  renew(number) { this.port.postMessage({ renew: number }); }

  end() {
    this.port.close();
    this.fail();
  }

  close() { this.port.postMessage(false); }
}
