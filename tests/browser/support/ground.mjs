// What most test files stand on: a node, and a browser. Importing it starts both before the first test and ends them
// after the last one; a file that needs more of either does that itself.
import { after, before } from "node:test";
import { launch } from "./browser.mjs";
import { startNode } from "./node.mjs";

export let node;
export let browser;

before(async () => {
  node = await startNode();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await node?.stop();
});
