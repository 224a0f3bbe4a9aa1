import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Credit } from "../src/credit";

function paced(start: number, window: number): { credit: Credit; sent: number[] } {
  const sent: number[] = [];
  return { credit: new Credit(start, window, (offset) => sent.push(offset)), sent };
}

test("a flood is acknowledged every eighth of the window", () => {
  const { credit, sent } = paced(0, 800);
  [50, 100, 150, 199, 200].forEach((offset) => credit.drawnTo(offset));
  assert.deepEqual(sent, [100, 200]);
  credit.stop();
});

test("a little is acknowledged once, a moment later", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { credit, sent } = paced(1000, 800);
  credit.drawnTo(1001);
  credit.drawnTo(1002);
  assert.deepEqual(sent, []);
  mock.timers.tick(100);
  assert.deepEqual(sent, [1002]);
  mock.timers.tick(1000);
  assert.deepEqual(sent, [1002]);
  mock.timers.reset();
});

test("what an older connection drew is not acknowledged on this one", () => {
  const { credit, sent } = paced(5000, 80);
  credit.drawnTo(4000);
  assert.deepEqual(sent, []);
  credit.stop();
});

test("a stopped connection sends nothing more", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { credit, sent } = paced(0, 800);
  credit.drawnTo(1);
  credit.stop();
  mock.timers.tick(1000);
  assert.deepEqual(sent, []);
  mock.timers.reset();
});
