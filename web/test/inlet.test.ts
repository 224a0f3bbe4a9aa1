import assert from "node:assert/strict";
import { test } from "node:test";

import { Inlet } from "../src/inlet";

const OUTPUT = Uint8Array.from({ length: 5000 }, (_, at) => (at * 31) % 256);

function taken(inlet: Inlet, from: number, to: number): number[] {
  const result = inlet.take(from, OUTPUT.subarray(from, to));
  assert.notEqual(result.kind, "gap");
  return result.kind === "bytes" ? [...result.bytes] : [];
}

test("what a new connection repeats is taken once", () => {
  const inlet = new Inlet();
  inlet.begin(0);
  const got = [...taken(inlet, 0, 10), ...taken(inlet, 5, 20), ...taken(inlet, 0, 20), ...taken(inlet, 20, 21)];
  assert.deepEqual(got, [...OUTPUT.subarray(0, 21)]);
  assert.equal(inlet.resume, 21);
});

test("missing bytes are noticed, and asked for again", () => {
  const inlet = new Inlet();
  inlet.begin(0);
  taken(inlet, 0, 10);
  assert.deepEqual(inlet.take(11, OUTPUT.subarray(11, 12)), { kind: "gap" });
  assert.equal(inlet.resume, 10);
});

test("the first connection starts where the server says, later ones may not skip", () => {
  const inlet = new Inlet();
  assert.equal(inlet.resume, undefined);
  inlet.begin(700);
  assert.deepEqual(taken(inlet, 700, 710), [...OUTPUT.subarray(700, 710)]);
  inlet.begin(900);
  assert.equal(inlet.resume, 710);
});

test("a snapshot moves on over what is lost", () => {
  const inlet = new Inlet();
  inlet.begin(0);
  inlet.jump(3000);
  assert.deepEqual(taken(inlet, 3000, 3001), [OUTPUT[3000]]);
});

test("any cutting and repeating gives every byte once and in order", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = generator(seed);
    const inlet = new Inlet();
    const got: number[] = [];
    inlet.begin(0);
    while ((inlet.resume ?? 0) < OUTPUT.length) {
      const next = inlet.resume ?? 0;
      const from = Math.max(0, next - Math.floor(random() * 50));
      const to = Math.min(OUTPUT.length, from + Math.floor(random() * 400));
      got.push(...taken(inlet, from, to));
    }
    assert.deepEqual(Uint8Array.from(got), OUTPUT);
  }
});

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
