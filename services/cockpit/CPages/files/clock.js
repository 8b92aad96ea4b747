// Times for people: those of UTC, or of the browser's zone, by one switch that all pages have.

const place = "zone of the times";
const state = { isLocal: stored() === "local", listeners: [] };

// A browser that stores nothing throws.
function stored() {
  try { return localStorage.getItem(place); } catch { return ""; }
}

export const isLocal = () => state.isLocal;

// How the browser calls the zone of the times that are shown.
export function zoneName() {
  if (!state.isLocal) return "UTC";
  return `those of ${Intl.DateTimeFormat().resolvedOptions().timeZone || "this computer"}`;
}

// Calls the function when other times are wanted.
export function onZone(call) { state.listeners.push(call); }

export function switchZone() {
  state.isLocal = !state.isLocal;
  try { localStorage.setItem(place, state.isLocal ? "local" : "utc"); } catch {
    // Only this page remembers it.
  }
  for (const call of state.listeners) call();
}

const two = (number) => `${number}`.padStart(2, "0");

function local(date) {
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

// A time of the server, like 2026-11-28T05:20:00.5Z, on one line and without its zone.
export function timeText(time) {
  const [whole, fraction = ""] = time.replace(/Z$/, "").split(".");
  const date = new Date(`${whole}Z`);
  const shown = state.isLocal && !Number.isNaN(date.getTime()) ? local(date)
    : whole.replace("T", " ");
  return fraction ? `${shown}.${fraction}` : shown;
}

// The same of seconds since 1970.
export function timeOf(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? "–" : timeText(`${date.toISOString().slice(0, 19)}Z`);
}

// Those of marks at an axis: the day where it changes, seconds where one of them has some.
export function marksText(times) {
  const isFine = times.some((time) => time % 60);
  let before = "";
  return times.map((time) => {
    const [date, clock = ""] = timeOf(time).split(" ");
    const text = clock.slice(0, isFine ? 8 : 5);
    const isSame = date === before;
    before = date;
    return isSame ? text : `${date.slice(5)} ${text}`;
  });
}
