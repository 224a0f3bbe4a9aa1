import assert from "node:assert/strict";
import { test } from "node:test";

import * as protocol from "../src/protocol";

function frame(...bytes: number[]): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

test("output carries its offset and its bytes unchanged", () => {
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  const decoded = protocol.decode(frame(protocol.OUTPUT, 0, 0, 0, 1, 0, 0, 0, 2, ...all));
  assert.deepEqual(decoded, { kind: "output", offset: 2 ** 32 + 2, bytes: Uint8Array.from(all) });
});

test("a snapshot is told from output", () => {
  const decoded = protocol.decode(frame(protocol.SNAPSHOT, 0, 0, 0, 0, 0, 0, 0, 9, 65));
  assert.deepEqual(decoded, { kind: "snapshot", offset: 9, bytes: Uint8Array.of(65) });
});

test("control messages of later versions are unknown, not errors", () => {
  const control = (value: unknown) => {
    const json = new TextEncoder().encode(JSON.stringify(value));
    return protocol.decode(frame(protocol.CONTROL, ...json));
  };
  assert.deepEqual(control({ type: "driver", driver: true }), {
    kind: "control",
    control: { type: "driver", driver: true },
  });
  assert.deepEqual(control({ type: "telepathy" }), { kind: "unknown" });
  assert.deepEqual(control({}), { kind: "unknown" });
  assert.deepEqual(protocol.decode(frame(0x7f, 1, 2)), { kind: "unknown" });
});

test("frames that are no frames throw", () => {
  assert.throws(() => protocol.decode(frame()));
  assert.throws(() => protocol.decode(frame(protocol.OUTPUT, 0, 0)));
  assert.throws(() => protocol.decode(frame(protocol.CONTROL, 0x7b)));
});

test("a long paste is cut into frames that together say the same", () => {
  const bytes = Uint8Array.from({ length: 2 * protocol.INPUT_CHUNK_BYTES + 3 }, (_, at) => at % 251);
  const frames = protocol.encodeInput(bytes);
  assert.equal(frames.length, 3);
  assert.ok(frames.every((each) => each[0] === protocol.INPUT));
  assert.deepEqual(Uint8Array.from(frames.flatMap((each) => [...each.subarray(1)])), bytes);
  assert.deepEqual(protocol.encodeInput(new Uint8Array()), []);
});

test("acknowledgements and sizes are big endian", () => {
  assert.deepEqual([...protocol.encodeAck(2 ** 32 + 258)], [protocol.ACK, 0, 0, 0, 1, 0, 0, 1, 2]);
  assert.deepEqual([...protocol.encodeResize({ rows: 24, cols: 300 })], [protocol.RESIZE, 0, 24, 1, 44]);
});
