// The secret of a browser. A cookie goes to each port of a host, also to those of other users of
// the machine. What a browser stores is of one scheme, host and port, and of all its pages there,
// also of those that are opened by hand.

// Cockpits under several paths of one host have one each.
const place = `key of ${new URL(".", location.href).pathname}`;

function fresh() {
  const bytes = [...crypto.getRandomValues(new Uint8Array(24))];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A browser that stores nothing throws.
function stored() {
  try { return localStorage.getItem(place) || ""; } catch { return ""; }
}

// What says to the server that the cookie comes from this cockpit's pages.
export function keyHeader() {
  return { "X-Cockpit-Key": stored() };
}

const forms = (action) => [...document.forms].filter(
  (form) => form.getAttribute("action") === action);

for (const form of forms("session")) {
  form.addEventListener("submit", () => {
    // One that is stored may be that of an open session.
    const key = stored() || fresh();
    try {
      localStorage.setItem(place, key);
      form.key.value = key;
    } catch {
      // Without one the server says what is missing.
    }
  });
}
for (const form of forms("leave")) {
  form.addEventListener("submit", () => {
    if (stored()) localStorage.removeItem(place);
  });
}

// Who was asked for the token where a page was wanted comes back to that page. The page that says
// that a token was wrong is none that anybody wants.
const wanted = "page before the token";
const wantedFor = 120000;

function remember() {
  if (document.body.className !== "" || location.pathname.endsWith("/session")) return;
  const page = JSON.stringify({ address: location.href, time: Date.now() });
  try { sessionStorage.setItem(wanted, page); } catch {
    // Then the first page is shown.
  }
}

function comeBack() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(wanted) || "{}");
    sessionStorage.removeItem(wanted);
    const isNew = Math.abs(Date.now() - kept.time) < wantedFor;
    const isOwn = isNew && new URL(kept.address).origin === location.origin;
    if (isOwn && kept.address !== location.href) location.replace(kept.address);
  } catch {
    // The page that the server has named is shown.
  }
}

if (document.body.className === "framed") comeBack();
else for (const form of forms("session")) form.addEventListener("submit", remember);
