// Waiting with a deadline, for what has no event of its own.
import { setTimeout as pause } from "node:timers/promises";

/** Longest wait for anything, in milliseconds. */
export const PATIENCE = 30_000;

/** Waits until `condition()` holds; fails with `what` when it does not in time. */
export async function eventually(condition, what, patience = PATIENCE) {
  const deadline = Date.now() + patience;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`waited ${patience} ms in vain until ${what}`);
    }
    await pause(20);
  }
}
