// Real applications through ports, in a real browser: `make test-apps`. Needs the image node, which takes minutes to make.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, withPages } from "./support/browser.mjs";
import { startNode } from "./support/node.mjs";
import { putFile, setPort } from "./support/ports.mjs";
import { enter, startSession } from "./support/terminal.mjs";

const NODE_IMAGE = fileURLToPath(new URL("../../target/images/node.tar", import.meta.url));
const APPS = fileURLToPath(new URL("apps/", import.meta.url));

let node;
let browser;
before(async () => {
  node = await startNode();
  node.command("image", "load", "-i", NODE_IMAGE);
  node.command("image", "build", "-t", "apps", APPS);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await node?.stop();
});

for (const form of ["url", "path_url"]) {
  test(`a chat over websockets, by ${form}`, () =>
    withPages(browser, {}, async (open, context) => {
      const page = await startSession(open, node.url, "apps");
      await enter(page, "node /apps/chat/server.js");
      await page.getByRole("link", { name: "Port 4000" }).waitFor();
      const port = await setPort(page, 4000, {});
      const [ann, bob] = [await context.newPage(), await context.newPage()];
      for (const each of [ann, bob]) {
        await each.goto(port[form]);
        await each.waitForFunction(() => document.title === "joined");
      }
      await ann.getByLabel("Say").fill("hello from ann");
      await ann.getByLabel("Say").press("Enter");
      await bob.getByText("hello from ann").waitFor();
    }));
}

for (const rewrite_host of [false, true]) {
  test(`a Vite development server with hot reload, ${rewrite_host ? "told to be on localhost" : "told its own host"}`, () =>
    withPages(browser, {}, async (open, context) => {
      const page = await startSession(open, node.url, "apps");
      await enter(page, "cd /apps/vite && node ../node_modules/vite/bin/vite.js --port 5173");
      await page.getByRole("link", { name: "Port 5173" }).waitFor();
      const port = await setPort(page, 5173, { rewrite_host });
      const app = await context.newPage();
      await app.goto(port.url);
      await app.getByText("first").waitFor();
      await app.getByLabel("Kept").fill("stays");
      await putFile(page, "/apps/vite/word.js", 'export const word = "second";');
      await app.getByText("second").waitFor();
      // Not reloaded as a whole: what was typed is still there.
      assert.equal(await app.getByLabel("Kept").inputValue(), "stays");
    }));
}
