import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Refusal } from "../src/api";
import { Connection } from "../src/connection";
import type { State } from "../src/connection";
import * as protocol from "../src/protocol";

/** Stands in for the browser's WebSocket: the test says what arrives, and sees what was sent. */
class Line {
  static readonly OPEN = 1;
  static readonly lines: Line[] = [];
  readyState = 1;
  readonly sent: number[][] = [];
  onmessage: ((event: { data: ArrayBuffer }) => void) | undefined;
  onclose: ((event: { code: number }) => void) | undefined;

  constructor(readonly address: string) {
    Line.lines.push(this);
  }

  send(frame: Uint8Array): void {
    this.sent.push([...frame]);
  }

  close(code = 1005): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  control(value: object): void {
    this.arrive(protocol.CONTROL, ...new TextEncoder().encode(JSON.stringify(value)));
  }

  hello(offset: number, head = offset): void {
    this.control({ type: "hello", protocol: 1, terminal: "t1", offset, head, window: 80, driver: true });
  }

  output(offset: number, text: string, opcode = protocol.OUTPUT): void {
    this.arrive(opcode, 0, 0, 0, 0, 0, 0, offset >> 8, offset & 255, ...new TextEncoder().encode(text));
  }

  private arrive(...bytes: number[]): void {
    this.onmessage?.({ data: Uint8Array.from(bytes).buffer });
  }
}

class Viewer {
  text = "";
  readonly states: State["kind"][] = [];
  tickets = 0;
  refusal: Refusal | undefined;
  readonly connection = new Connection(() => this.ticket(), {
    output: (bytes, end) => {
      this.text += new TextDecoder().decode(bytes);
      this.connection.drawn(end);
    },
    snapshot: (bytes, end) => {
      this.text = new TextDecoder().decode(bytes);
      this.connection.drawn(end);
    },
    control: () => undefined,
    state: ({ kind }) => this.states.push(kind),
  });

  get line(): Line {
    return Line.lines.at(-1)!;
  }

  private async ticket(): Promise<string> {
    this.tickets += 1;
    if (this.refusal) {
      throw this.refusal;
    }
    return `/ws?ticket=${this.tickets}`;
  }
}

let viewer: Viewer;
beforeEach(async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  Object.assign(globalThis, { WebSocket: Line, location: { href: "http://page/" } });
  Line.lines.length = 0;
  viewer = new Viewer();
  await viewer.connection.start();
});
afterEach(() => mock.timers.reset());

async function later(milliseconds = 15_000): Promise<void> {
  mock.timers.tick(milliseconds);
  await Promise.resolve();
  await Promise.resolve();
}

test("it comes back where it was, with a new ticket", async () => {
  viewer.line.hello(0);
  viewer.line.output(0, "abc");
  viewer.line.close(1006);
  await later();
  assert.equal(viewer.line.address, "ws://page/ws?ticket=2&offset=3");
  viewer.line.hello(3);
  viewer.line.output(2, "cde");
  assert.equal(viewer.text, "abcde");
  assert.deepEqual(viewer.states, ["connecting", "open", "waiting", "connecting", "open"]);
});

test("a gap is never drawn: it asks again from where it was", async () => {
  viewer.line.hello(0);
  viewer.line.output(0, "abc");
  viewer.line.output(4, "e");
  await later();
  assert.match(viewer.line.address, /offset=3$/);
  viewer.line.hello(3);
  viewer.line.output(3, "de");
  assert.equal(viewer.text, "abcde");
});

test("a snapshot takes the place of what is lost", () => {
  viewer.line.hello(0);
  viewer.line.output(0, "old");
  viewer.line.output(300, "new", protocol.SNAPSHOT);
  viewer.line.output(300, "er");
  assert.equal(viewer.text, "newer");
});

test("what is typed while it is away is sent once it is back, in order", async () => {
  viewer.connection.input(Uint8Array.of(1));
  viewer.connection.input(Uint8Array.of(2));
  viewer.line.hello(0);
  viewer.connection.input(Uint8Array.of(3));
  const inputs = viewer.line.sent.filter(([opcode]) => opcode === protocol.INPUT);
  assert.deepEqual(inputs, [1, 2, 3].map((byte) => [protocol.INPUT, byte]));
});

test("output is acknowledged when it is drawn", async () => {
  viewer.line.hello(0);
  viewer.line.output(0, "x".repeat(10));
  viewer.line.output(10, "x");
  await later(100);
  assert.deepEqual(viewer.line.sent.map((frame) => frame.at(-1)), [10, 11]);
});

for (const [code, ending] of [
  [protocol.CLOSE.sessionEnded, "session"],
  [protocol.CLOSE.terminalEnded, "terminal"],
  [protocol.CLOSE.supervisorLost, "supervisor"],
  [protocol.CLOSE.tooManyViewers, "viewers"],
] as const) {
  test(`close code ${code} is the end: ${ending}`, async () => {
    viewer.line.hello(0);
    viewer.line.close(code);
    await later();
    assert.equal(viewer.states.at(-1), "ended");
    assert.equal(Line.lines.length, 1);
  });
}

for (const code of [protocol.CLOSE.noLongerValid, protocol.CLOSE.stalled, protocol.CLOSE.restart, 1006]) {
  test(`after close code ${code} it connects again`, async () => {
    viewer.line.hello(0);
    viewer.line.close(code);
    await later();
    assert.equal(Line.lines.length, 2);
  });
}

test("while the service refuses it waits as long as it was told; when the terminal is gone it stops", async () => {
  viewer.line.hello(0);
  viewer.refusal = new Refusal(503, "full", 30);
  viewer.line.close(1006);
  await later(10_000);
  await later(20_000);
  assert.equal(viewer.tickets, 2);
  viewer.refusal = new Refusal(404, "gone");
  await later(10_000);
  assert.deepEqual([viewer.tickets, viewer.states.at(-1)], [3, "ended"]);
});
