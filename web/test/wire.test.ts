// The wire format's numbers stand once in Rust and once in TypeScript; here they are compared.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import * as protocol from "../src/protocol";

/** Tests run in web/. */
function server(path: string): Promise<string> {
  return readFile(`../server/src/${path}`, "utf8");
}

function numbers(source: string, pattern: RegExp): Map<string, number> {
  return new Map([...source.matchAll(pattern)].map(([, name, value]) => [name ?? "", Number(value)]));
}

test("opcodes and version are the server's", async () => {
  const theirs = numbers(await server("ws/frame.rs"), /pub const (\w+): u(?:8|32) = (\w+);/g);
  const { OUTPUT, SNAPSHOT, CONTROL, INPUT, ACK, RESIZE, VIEWER_CONTROL, PROTOCOL } = protocol;
  const ours = { OUTPUT, SNAPSHOT, CONTROL, INPUT, ACK, RESIZE, VIEWER_CONTROL, PROTOCOL };
  assert.deepEqual(Object.fromEntries(theirs), ours);
});

test("close codes are the server's", async () => {
  const theirs = numbers(await server("ws/close.rs"), /^ +(\w+) = (\d{4}),/gm);
  assert.deepEqual([...theirs.values()].sort(), Object.values(protocol.CLOSE).sort());
});

test("control messages are the server's", async () => {
  const source = (await server("ws/control.rs")).match(/pub enum Control \{([\s\S]*?)\n\}/)?.[1] ?? "";
  const theirs = [...source.matchAll(/^ {4}(\w+) \{/gm)].map(([, name]) => name?.toLowerCase());
  assert.deepEqual(theirs.sort(), [...protocol.CONTROLS].sort());
});

test("input frames stay below the server's limit", async () => {
  const limits = await server("config/limits.rs");
  const [, kibibytes] = limits.match(/FRAME_BYTES: usize = (\d+) \* 1024/) ?? [];
  assert.ok(protocol.INPUT_CHUNK_BYTES < Number(kibibytes) * 1024);
  assert.match(limits, new RegExp(`WINSIZE_MAX: u16 = ${protocol.WINSIZE_MAX};`));
});
