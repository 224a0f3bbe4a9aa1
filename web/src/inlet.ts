/**
 * Where a viewer stands in a terminal's output: takes each stretch in exactly once, whatever a new connection repeats.
 * Knows nothing of sockets or of the screen.
 */

/** What to do with a stretch of output. */
export type Taken =
  | { kind: "bytes"; bytes: Uint8Array; end: number }
  | { kind: "nothing" }
  /** Bytes are missing before it: connect again from `offset`. */
  | { kind: "gap" };

export class Inlet {
  /** Offset of the next byte wanted; undefined until the first connection says where output starts. */
  private next: number | undefined;

  /** Where the next connection shall resume; undefined means from the oldest byte there is. */
  get resume(): number | undefined {
    return this.next;
  }

  /** The server says where output starts. Only the first time does that move us: later it may repeat, never skip. */
  begin(offset: number): void {
    this.next ??= offset;
  }

  /** Takes a stretch of output in, without the part that is already here. */
  take(offset: number, bytes: Uint8Array): Taken {
    const next = this.next ?? offset;
    const end = offset + bytes.length;
    if (offset > next) {
      return { kind: "gap" };
    }
    if (end <= next) {
      return { kind: "nothing" };
    }
    this.next = end;
    return { kind: "bytes", bytes: bytes.subarray(next - offset), end };
  }

  /** A snapshot stands for everything below `offset`; the stream goes on there. */
  jump(offset: number): void {
    this.next = offset;
  }
}
