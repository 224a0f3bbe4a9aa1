/** Short messages: shown for a while at the edge of the page, and read out by screen readers. */

import { part } from "./dom";

const SHOWN_MS = 6000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Says `text`. `urgent` ones stay until the next. */
export function announce(text: string, urgent = false): void {
  const line = part("announce");
  clearTimeout(timer);
  line.textContent = text;
  line.classList.toggle("is-urgent", urgent);
  if (!urgent) {
    timer = setTimeout(() => (line.textContent = ""), SHOWN_MS);
  }
}

/** Takes back whatever was said. */
export function hush(): void {
  clearTimeout(timer);
  part("announce").textContent = "";
}
