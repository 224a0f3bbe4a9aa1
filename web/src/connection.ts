/**
 * One viewer of one terminal: keeps a websocket open, comes back by itself at the byte where it was, and hands on every
 * byte of output exactly once and in order. Knows nothing of the screen.
 *
 *     connecting -> open -> waiting -> connecting ...      until `ended`
 */

import { Refusal } from "./api";
import { Backoff } from "./backoff";
import { Credit } from "./credit";
import { Inlet } from "./inlet";
import * as protocol from "./protocol";
import type { Control, Hello, Winsize } from "./protocol";

export type State =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; seconds: number; reason: string }
  | { kind: "ended"; reason: Ending };

/** Why a connection will not come back. */
export type Ending = "session" | "terminal" | "supervisor" | "gone" | "viewers";

export interface Events {
  /** Output up to offset `end`. Call `drawn(end)` when it is on the screen. */
  output(bytes: Uint8Array, end: number): void;
  /** Clear the screen, then draw `bytes`, all of it replay; afterwards call `drawn(end)`. */
  snapshot(bytes: Uint8Array, end: number): void;
  /** A control message. For `hello`, output below its head is replay. */
  control(control: Control): void;
  state(state: State): void;
}

/** Input typed while there is no connection is kept up to this many bytes. */
const HELD_INPUT_BYTES = 4096;

const ENDINGS = new Map<number, Ending>([
  [protocol.CLOSE.sessionEnded, "session"],
  [protocol.CLOSE.terminalEnded, "terminal"],
  [protocol.CLOSE.tooManyViewers, "viewers"],
  [protocol.CLOSE.supervisorLost, "supervisor"],
]);

export class Connection {
  private readonly inlet = new Inlet();
  private readonly backoff = new Backoff();
  private socket: WebSocket | undefined;
  private credit: Credit | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private held: Uint8Array[] = [];
  private over = false;

  /** `ticket` asks the server for a websocket address that works once. */
  constructor(
    private readonly ticket: () => Promise<string>,
    private readonly events: Events,
  ) {}

  /** Connects, by `address` if the caller already has one. */
  async start(address?: string): Promise<void> {
    clearTimeout(this.retry);
    this.events.state({ kind: "connecting" });
    try {
      this.open(address ?? (await this.ticket()));
    } catch (error) {
      this.refused(error);
    }
  }

  /** Connects at once if it is only waiting to. */
  hurry(): void {
    if (this.retry !== undefined && !this.over) {
      this.retry = undefined;
      void this.start();
    }
  }

  /** Ends the connection for good, quietly. */
  stop(): void {
    this.over = true;
    clearTimeout(this.retry);
    this.credit?.stop();
    this.socket?.close();
  }

  /** Sends what was typed, or keeps it for the next connection. */
  input(bytes: Uint8Array): void {
    if (this.isOpen()) {
      protocol.encodeInput(bytes).forEach((frame) => this.send(frame));
    } else if (this.heldBytes() + bytes.length <= HELD_INPUT_BYTES) {
      this.held.push(bytes);
    }
  }

  resize(size: Winsize): void {
    this.send(protocol.encodeResize(size));
  }

  /** Everything below `offset` is on the screen. */
  drawn(offset: number): void {
    this.credit?.drawnTo(offset);
  }

  private open(address: string): void {
    if (this.over) {
      return;
    }
    const socket = new WebSocket(resumeAddress(address, this.inlet.resume));
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => this.received(socket, event.data);
    socket.onclose = (event) => this.closed(socket, event.code);
    this.socket = socket;
  }

  private received(socket: WebSocket, data: ArrayBuffer): void {
    if (socket !== this.socket) {
      return;
    }
    const frame = protocol.decode(data);
    if (frame.kind === "control") {
      this.controlled(frame.control);
    } else if (frame.kind === "output") {
      this.outputCame(socket, frame.offset, frame.bytes);
    } else if (frame.kind === "snapshot") {
      this.inlet.jump(frame.offset);
      this.events.snapshot(frame.bytes, frame.offset);
    }
  }

  private controlled(control: Control): void {
    if (control.type === "hello") {
      this.greeted(control);
    }
    this.events.control(control);
    if (control.type === "hello") {
      this.events.state({ kind: "open" });
      this.held.splice(0).forEach((bytes) => this.input(bytes));
    }
  }

  private greeted(hello: Hello): void {
    this.backoff.reset();
    this.inlet.begin(hello.offset);
    this.credit?.stop();
    this.credit = new Credit(hello.offset, hello.window, (offset) => this.send(protocol.encodeAck(offset)));
  }

  private outputCame(socket: WebSocket, offset: number, bytes: Uint8Array): void {
    const taken = this.inlet.take(offset, bytes);
    if (taken.kind === "bytes") {
      this.events.output(taken.bytes, taken.end);
    } else if (taken.kind === "nothing") {
      this.drawn(offset + bytes.length);
    } else {
      socket.close();
    }
  }

  private closed(socket: WebSocket, code: number): void {
    if (socket !== this.socket || this.over) {
      return;
    }
    this.socket = undefined;
    this.credit?.stop();
    this.credit = undefined;
    const ending = ENDINGS.get(code);
    if (ending) {
      this.end(ending);
    } else {
      this.wait(this.backoff.next(), "The connection was lost.");
    }
  }

  private refused(error: unknown): void {
    if (this.over) {
      return;
    }
    const refusal = error instanceof Refusal ? error : new Refusal(0, "The connection could not be made.");
    if (refusal.status === 404 || refusal.status === 410) {
      this.end("gone");
    } else {
      const asked = (refusal.retryAfter ?? 0) * 1000;
      this.wait(Math.max(this.backoff.next(), asked), refusal.message);
    }
  }

  private wait(delay: number, reason: string): void {
    this.events.state({ kind: "waiting", seconds: Math.ceil(delay / 1000), reason });
    this.retry = setTimeout(() => this.hurry(), delay);
  }

  private end(reason: Ending): void {
    this.over = true;
    this.events.state({ kind: "ended", reason });
  }

  private isOpen(): boolean {
    return this.credit !== undefined && this.socket?.readyState === WebSocket.OPEN;
  }

  private heldBytes(): number {
    return this.held.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  private send(frame: Uint8Array<ArrayBuffer>): void {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(frame);
    }
  }
}

/** Where `address` leads on this page's own origin, whatever name the server has for itself, resuming at `offset`. */
export function resumeAddress(address: string, offset: number | undefined, page: string = location.href): string {
  const { pathname, search } = new URL(address, page);
  const url = new URL(pathname + search, page);
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (offset !== undefined) {
    url.searchParams.set("offset", String(offset));
  }
  return url.href;
}
