/// The secret of a browser. A cookie goes to each port of a host, also to those of other users of
/// the machine. What a browser stores is of one scheme, host and port, and of all its pages there,
/// also of those that are opened by hand.
enum SignInScript {
    static let text = #"""
        // Cockpits under several paths of one host have one each.
        const place = `key of ${new URL(".", location).pathname}`;

        function fresh() {
          const bytes = [...crypto.getRandomValues(new Uint8Array(24))];
          return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
        }

        // What says to the server that the cookie comes from this cockpit's pages.
        export function keyHeader() {
          return { "X-Cockpit-Key": localStorage.getItem(place) || "" };
        }

        for (const form of document.querySelectorAll("form[action=session]")) {
          form.addEventListener("submit", () => {
            // One that is stored may be that of an open session.
            form.elements.key.value = localStorage.getItem(place) || fresh();
            localStorage.setItem(place, form.elements.key.value);
          });
        }
        for (const form of document.querySelectorAll("form[action=leave]")) {
          form.addEventListener("submit", () => localStorage.removeItem(place));
        }

        """#
}
