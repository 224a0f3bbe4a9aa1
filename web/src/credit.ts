/**
 * Paces acknowledgements of one connection: at once when much has been drawn, a moment later when little has, so that a
 * flood never runs out of credit and a keystroke's echo costs no frame of its own.
 */

const MOMENT_MS = 40;

export class Credit {
  private drawn: number;
  private acknowledged: number;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `start` is where output starts on this connection, `window` the bytes that may be unacknowledged. */
  constructor(
    start: number,
    private readonly window: number,
    private readonly send: (offset: number) => void,
  ) {
    this.drawn = start;
    this.acknowledged = start;
  }

  /** Everything below `offset` has been drawn. Offsets from before this connection are ignored. */
  drawnTo(offset: number): void {
    this.drawn = Math.max(this.drawn, offset);
    if (this.drawn - this.acknowledged >= this.window / 8) {
      this.flush();
    } else if (this.drawn > this.acknowledged) {
      this.timer ??= setTimeout(() => this.flush(), MOMENT_MS);
    }
  }

  /** The connection is gone: nothing is sent any more. */
  stop(): void {
    clearTimeout(this.timer);
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.acknowledged = this.drawn;
    this.send(this.drawn);
  }
}
