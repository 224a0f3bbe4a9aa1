/** Tells when the size of a terminal's place on the page has come to rest at a new winsize. */

import type { Winsize } from "./protocol";

const REST_MS = 50;

export class Sizing {
  private readonly observer: ResizeObserver;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last: Winsize | undefined;

  /** `measure` gives the size that fits now; `changed` is called with each new one. */
  constructor(
    host: Element,
    private readonly measure: () => Winsize | undefined,
    private readonly changed: (size: Winsize) => void,
  ) {
    this.observer = new ResizeObserver(() => this.soon());
    this.observer.observe(host);
  }

  /** Measures after a moment of rest. */
  soon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), REST_MS);
  }

  /** Measures now, and tells a size even if it was told before when `again`. */
  now(again = false): void {
    const size = this.measure();
    const same = size?.rows === this.last?.rows && size?.cols === this.last?.cols;
    if (size && (again || !same)) {
      this.last = size;
      this.changed(size);
    }
  }

  stop(): void {
    clearTimeout(this.timer);
    this.observer.disconnect();
  }
}
