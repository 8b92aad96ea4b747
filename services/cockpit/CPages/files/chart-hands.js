// What a person does with the picture of a chart: pointing, dragging, the wheel and keys.

import { placeAt, slotOf } from "./candles.js";
import { countMax, countMin } from "./view.js";

// A pointer that moved less has pressed, and not dragged.
const dragMin = 4;

// `hands` has the picture, and what is to be done: `move` by so many places or to so many bars,
// `point` at a place, `choose` a bar, show its `ticks`, and the `newest`.
export function watchHands(canvas, hands) {
  const drag = { from: null, moved: 0, rest: 0 };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    [drag.from, drag.moved, drag.rest] = [event.offsetX, 0, 0];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag.from === null) return point(event);
    const passed = event.offsetX - drag.from;
    drag.moved = Math.max(drag.moved, Math.abs(passed));
    drag.from = event.offsetX;
    drag.rest -= passed / slotOf(canvas, hands.picture());
    const places = Math.trunc(drag.rest);
    if (drag.moved < dragMin || !places) return;
    drag.rest -= places;
    hands.move(places);
  });
  canvas.addEventListener("pointerup", (event) => {
    const isPress = drag.from !== null && drag.moved < dragMin;
    drag.from = null;
    if (!isPress) return;
    const bar = barAt(placeAt(canvas, hands.picture(), event.offsetX));
    if (bar) hands.choose(bar);
  });
  canvas.addEventListener("pointercancel", () => { drag.from = null; });
  canvas.addEventListener("pointerleave", () => { if (drag.from === null) hands.point(null); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { count, live } = hands.picture();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      return hands.move(Math.sign(event.deltaX) * Math.max(1, Math.round(count / 40)));
    }
    const wanted = event.deltaY > 0 ? Math.min(countMax, Math.ceil(count * 1.1))
      : Math.max(countMin, Math.floor(count / 1.1));
    // The bar at the pointer stays there, but the newest one at the edge, where it is followed.
    const place = placeAt(canvas, hands.picture(), event.offsetX) ?? count;
    hands.move(live ? 0 : Math.round((wanted - count) * (1 - place / count)), wanted);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act(event);
  });

  function barAt(place) {
    const found = hands.picture().shown[place];
    return found && found.bar;
  }

  function point(event) {
    const place = placeAt(canvas, hands.picture(), event.offsetX);
    hands.point(place === undefined ? null : { place, y: event.offsetY });
  }

  // The cursor goes on to the next bar, and takes the picture with it at its edge.
  function step(way) {
    const { cursor, shown } = hands.picture();
    const place = cursor ? cursor.place + way : way < 0 ? shown.length - 1 : 0;
    if (place < 0 || place >= shown.length) return hands.move(way);
    hands.point({ place }, true);
  }

  function atCursor(act) {
    const { cursor } = hands.picture();
    const bar = cursor && barAt(cursor.place);
    if (bar) act(bar);
  }

  const page = (way) => hands.move(way * Math.max(1, Math.round(hands.picture().count / 4)));
  const zoom = (factor) => hands.move(0, hands.picture().count * factor);
  const keys = {
    ArrowLeft: (event) => (event.shiftKey ? page(-1) : step(-1)),
    ArrowRight: (event) => (event.shiftKey ? page(1) : step(1)),
    "+": () => zoom(1 / 1.25), "=": () => zoom(1 / 1.25), "-": () => zoom(1.25),
    End: () => hands.newest(),
    Escape: () => hands.point(null),
    Enter: () => atCursor(hands.choose), t: () => atCursor(hands.ticks),
  };
}
