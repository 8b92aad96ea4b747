// Buttons that copy what is in a field: a command for a person to run.

import { put, element } from "./live.js";

// A button with data-copies copies the field with that id, and the status says so.
export function watchCopies(status) {
  /** @type {NodeListOf<HTMLElement>} */
  const buttons = document.querySelectorAll("[data-copies]");
  for (const button of buttons) {
    button.addEventListener("click", () => copy(button.dataset.copies, status));
  }
}

async function copy(id, status) {
  const field = element(id);
  field.select();
  let text = `Copied: ${field.value}`;
  try { await navigator.clipboard.writeText(field.value); } catch {
    // A page without TLS on another host may not.
    text = "The command is selected; copy it with the keys of your system.";
  }
  put(status, text);
}
