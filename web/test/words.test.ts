import assert from "node:assert/strict";
import { test } from "node:test";

import { asSentence, withWait } from "../src/api";
import { Backoff } from "../src/backoff";
import { resumeAddress } from "../src/connection";
import { spoken, written } from "../src/duration";
import { exitReason, sessionReason } from "../src/reasons";

test("spans of time", () => {
  assert.deepEqual([0, 9, 65, 3600, 3909].map(written), ["0:00", "0:09", "1:05", "1:00:00", "1:05:09"]);
  assert.deepEqual([0, 1, 60, 3660].map(spoken), ["no time", "1 second", "1 minute", "1 hour 1 minute"]);
});

test("what the server says becomes a sentence, with when to try again", () => {
  assert.equal(asSentence("the node is full"), "The node is full.");
  assert.equal(withWait("Too many sessions.", 30), "Too many sessions. Try again in 30 s.");
  assert.equal(withWait("Too many sessions.", 601), "Too many sessions. Try again in 11 min.");
});

test("ends are said in words, known or not", () => {
  assert.equal(sessionReason("expired"), "Its time was over.");
  assert.equal(sessionReason("eaten"), "It is no longer there.");
  assert.equal(exitReason(0, null), "The shell has ended.");
  assert.equal(exitReason(3, null), "The shell has ended with exit code 3.");
  assert.equal(exitReason(null, 9), "The shell was ended by signal 9.");
});

test("delays double up to a cap, and start again after a success", () => {
  const backoff = new Backoff(() => 1);
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8].map(() => backoff.next()), [250, 500, 1000, 2000, 4000, 8000, 10000, 10000]);
  backoff.reset();
  assert.equal(backoff.next(), 250);
  assert.equal(new Backoff(() => 0).next(), 125);
});

test("websockets go to our own origin, and resume where they were", () => {
  const page = "https://sandlot.example/s/abc";
  assert.equal(
    resumeAddress("/api/v1/terminals/ws?ticket=t", undefined, page),
    "wss://sandlot.example/api/v1/terminals/ws?ticket=t",
  );
  assert.equal(
    resumeAddress("ws://10.0.0.9:80/api/v1/terminals/ws?ticket=t", 77, "http://localhost:8080/"),
    "ws://localhost:8080/api/v1/terminals/ws?ticket=t&offset=77",
  );
});
