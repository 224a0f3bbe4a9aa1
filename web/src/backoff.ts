/** Delays between attempts to connect: doubling from a quarter of a second, with full jitter, never above the cap. */

const FIRST_MS = 250;
const CAP_MS = 10_000;

export class Backoff {
  private attempts = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const ceiling = Math.min(CAP_MS, FIRST_MS * 2 ** this.attempts);
    this.attempts += 1;
    return Math.round(ceiling * (0.5 + this.random() / 2));
  }

  /** An attempt was a success. */
  reset(): void {
    this.attempts = 0;
  }
}
