// What the pictures are drawn on.

// Makes the canvas so wide and tall, and returns its ink and the colours of the page.
export function prepared(canvas, width, tall) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const scale = window.devicePixelRatio || 1;
  canvas.style.height = `${tall}px`;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(tall * scale);
  const ink = canvas.getContext("2d");
  ink.setTransform(scale, 0, 0, scale, 0, 0);
  ink.font = "13px system-ui, sans-serif";
  return { ink, color };
}
