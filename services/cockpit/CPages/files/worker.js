// The worker that all pages of a browser share: it has their stream.

import { Stream } from "./stream.js";

// The pages that somebody sees, each with the time at which it said so last. One that is
// gone says nothing.
const pages = new Map();
const patience = 3000;

function tell(message) {
  for (const port of pages.keys()) port.postMessage(message);
}

const stream = new Stream((...event) => tell({ event }), () => tell({ refused: true }));

function turn() {
  for (const [port, seen] of pages) {
    if (performance.now() - seen > patience) pages.delete(port);
  }
  if (pages.size) stream.keep();
  else stream.close();
}

setInterval(turn, 1000);
self.addEventListener("connect", (/** @type {any} */ event) => {
  const port = event.ports[0];
  port.addEventListener("message", ({ data }) => {
    if (data) {
      pages.set(port, performance.now());
      if (data.renew) stream.renew(data.renew);
      stream.keep();
    } else pages.delete(port);
    // A page that hears nothing looks for another way.
    port.postMessage({});
  });
  port.start();
});
