/**
 * The terminal websocket's frames, as written down in server/PROTOCOL.md: one opcode byte, then the payload; numbers
 * are big endian. The constants stand here and once in the server; test/wire.test.ts compares them.
 */

export const PROTOCOL = 1;

/** First bytes of frames from the server. */
export const OUTPUT = 0x01;
export const SNAPSHOT = 0x02;
export const CONTROL = 0x03;

/** First bytes of frames to the server. */
export const INPUT = 0x11;
export const ACK = 0x12;
export const RESIZE = 0x13;
export const VIEWER_CONTROL = 0x14;

/** Close codes of the server. */
export const CLOSE = {
  sessionEnded: 4000,
  terminalEnded: 4001,
  noLongerValid: 4002,
  protocolError: 4003,
  stalled: 4004,
  tooManyViewers: 4005,
  supervisorLost: 4006,
  tooBig: 1009,
  failed: 1011,
  restart: 1012,
};

/** Most bytes put into one INPUT frame; a longer paste goes out in several. */
export const INPUT_CHUNK_BYTES = 16 * 1024;

/** Most rows, and most columns, that a terminal may have. */
export const WINSIZE_MAX = 1000;

export interface Winsize {
  rows: number;
  cols: number;
}

export interface Hello {
  type: "hello";
  protocol: number;
  terminal: string;
  /** Where output starts on this connection. */
  offset: number;
  /** Bytes below this offset are replay. */
  head: number;
  /** Bytes that may be on their way without an acknowledgement. */
  window: number;
  driver: boolean;
}

export type Control =
  | Hello
  | { type: "driver"; driver: boolean }
  | ({ type: "size" } & Winsize)
  | { type: "expiry"; expires_at: string; seconds_left: number; warning: boolean }
  | { type: "exit"; code: number | null; signal: number | string | null; offset: number }
  | { type: "ending"; reason: string }
  | { type: "notice"; text: string };

export type ServerFrame =
  | { kind: "output" | "snapshot"; offset: number; bytes: Uint8Array }
  | { kind: "control"; control: Control }
  | { kind: "unknown" };

/** Types of control messages that this version knows. */
export const CONTROLS = new Set(["hello", "driver", "size", "expiry", "exit", "ending", "notice"]);

const OFFSET_BYTES = 8;

/** Decodes one frame of the server. Throws on a frame that is too short or no JSON; what is merely new is `unknown`. */
export function decode(frame: ArrayBuffer): ServerFrame {
  const view = new DataView(frame);
  switch (view.getUint8(0)) {
    case OUTPUT:
      return { kind: "output", ...decodeStretch(view) };
    case SNAPSHOT:
      return { kind: "snapshot", ...decodeStretch(view) };
    case CONTROL:
      return decodeControl(new Uint8Array(frame, 1));
    default:
      return { kind: "unknown" };
  }
}

function decodeStretch(view: DataView): { offset: number; bytes: Uint8Array } {
  const offset = Number(view.getBigUint64(1));
  return { offset, bytes: new Uint8Array(view.buffer as ArrayBuffer, 1 + OFFSET_BYTES) };
}

function decodeControl(json: Uint8Array): ServerFrame {
  const control = JSON.parse(new TextDecoder().decode(json)) as { type?: unknown };
  const known = typeof control.type === "string" && CONTROLS.has(control.type);
  return known ? { kind: "control", control: control as Control } : { kind: "unknown" };
}

/** INPUT frames for `bytes`, in order. */
export function encodeInput(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
  const frames = [];
  for (let at = 0; at < bytes.length; at += INPUT_CHUNK_BYTES) {
    frames.push(withOpcode(INPUT, bytes.subarray(at, at + INPUT_CHUNK_BYTES)));
  }
  return frames;
}

/** An ACK frame: everything below `offset` has been drawn. */
export function encodeAck(offset: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(1 + OFFSET_BYTES);
  frame[0] = ACK;
  new DataView(frame.buffer).setBigUint64(1, BigInt(offset));
  return frame;
}

/** A RESIZE frame. */
export function encodeResize({ rows, cols }: Winsize): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(5);
  frame[0] = RESIZE;
  const view = new DataView(frame.buffer);
  view.setUint16(1, rows);
  view.setUint16(3, cols);
  return frame;
}

function withOpcode(opcode: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(1 + payload.length);
  frame[0] = opcode;
  frame.set(payload, 1);
  return frame;
}
