// Coming back: after a reload, over a network that drops connections, and in a second window.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, withPages } from "./support/browser.mjs";
import { startNode } from "./support/node.mjs";
import { startProxy } from "./support/proxy.mjs";
import * as terminal from "./support/terminal.mjs";
import { eventually } from "./support/wait.mjs";

let node;
let browser;
let proxy;
before(async () => {
  node = await startNode();
  browser = await launch();
  proxy = await startProxy(node.url);
});
after(async () => {
  proxy?.stop();
  await browser?.close();
  await node?.stop();
});

/** Lines of a flood: 8 bytes each, together less than a terminal's ring holds. */
const LINES = 50_000;

test("a reload comes back to the same shell and the same screen", () =>
  withPages(browser, {}, async (open) => {
    const page = await terminal.startSession(open, node.url);
    await terminal.run(page, "mark=kept; seq 1 5");
    const before = await terminal.screen(page);
    await page.reload();
    await terminal.prompt(page);
    assert.equal(await terminal.screen(page), before);
    assert.equal(await terminal.run(page, "echo $mark"), "kept");
  }));

test("floods over dropped connections lose and double no byte", () =>
  withPages(browser, { mayLoseNetwork: true }, async (open) => {
    const page = await terminal.startSession(open, proxy.url);
    for (const first of [100_000, 200_000, 300_000]) {
      const last = first + LINES - 1;
      await terminal.record(page);
      await terminal.enter(page, `seq ${first} ${last}; echo do''ne`);
      for (const least of [1_000, 100_000, 250_000]) {
        await terminal.recordedAtLeast(page, least);
        proxy.drop();
      }
      await eventually(async () => (await terminal.recorded(page)).includes("\r\ndone\r\n"), "all has come");
      const got = await terminal.recorded(page);
      const from = got.search(new RegExp(`(?<=[\\r\\n])${first}\\r\\n`));
      assert.equal(got.slice(from, got.indexOf("done\r\n", from)), numbers(first, last));
    }
  }));

test("who was away too long is shown the screen as it is now", () =>
  withPages(browser, { mayLoseNetwork: true }, async (open) => {
    const page = await terminal.startSession(open, proxy.url);
    const other = await open(page.url().replace(proxy.url, node.url));
    await terminal.prompt(other);
    proxy.refuse(true);
    await terminal.enter(other, "seq 300000 400000; echo do''ne");
    await terminal.screenHas(other, /^done$/m);
    await terminal.prompt(other);
    proxy.refuse(false);
    await page.bringToFront();
    await terminal.screenHas(page, /^done$/m);
    assert.equal(await terminal.screen(page), await terminal.screen(other));
    assert.equal(await terminal.run(page, "echo go''on"), "goon");
  }));

test("serve is killed and started again: the page comes back to the same shell", async (context) => {
  if (!node.isOwn) {
    return context.skip("restarts serve, which a test may do to a node of its own only");
  }
  return withPages(browser, { mayLoseNetwork: true }, async (open) => {
    const page = await terminal.startSession(open, node.url);
    await terminal.enter(page, "mark=kept; clear; seq 1 5");
    await terminal.screenHas(page, /^5$/m);
    await node.restart();
    await page.getByText("Connected").waitFor();
    await terminal.enter(page, "echo $mark; seq 6 9");
    await terminal.screenHas(page, /1\n2\n3\n4\n5\n.*\nkept\n6\n7\n8\n9\n/);
  });
});

test("what is typed while the connection is down is sent when it is back", () =>
  withPages(browser, { mayLoseNetwork: true }, async (open) => {
    const page = await terminal.startSession(open, proxy.url);
    proxy.refuse(true);
    await page.getByText(/^Reconnecting/).waitFor();
    await page.keyboard.type("echo he''ld\r");
    proxy.refuse(false);
    await page.getByText("Connected").waitFor();
    await terminal.screenHas(page, /^held$/m);
  }));

test("two windows on one terminal are given the same bytes, and one drives", () =>
  withPages(browser, {}, async (open) => {
    const page = await terminal.startSession(open, node.url);
    const other = await terminal.joinSession(open, page);
    await terminal.record(page);
    await terminal.record(other);
    await page.bringToFront();
    await terminal.enter(page, "seq 1 2000; echo do''ne");
    const whole = (text) => /\r\ndone\r\n.*[#$] /s.test(text);
    const same = async () => (await terminal.recorded(page)) === (await terminal.recorded(other));
    await eventually(async () => whole(await terminal.recorded(page)) && (await same()), "both have all");
    assert.equal(await terminal.screen(other), await terminal.screen(page));
  }));

test("who types drives: the size becomes that window's, and the other follows", () =>
  withPages(browser, {}, async (open) => {
    const page = await terminal.startSession(open, node.url);
    const other = await terminal.joinSession(open, page);
    await other.setViewportSize({ width: 620, height: 380 });
    await terminal.enter(other, "echo mi''ne");
    await terminal.screenHas(other, /^mine$/m);
    const sizes = async () => {
      const [[mine], [theirs]] = [await terminal.terminals(other), await terminal.terminals(page)];
      return mine.driver && !theirs.driver && mine.cols === theirs.cols && mine.rows === theirs.rows && mine.cols < 80;
    };
    await eventually(sizes, "both have the driver's size");
    const [{ rows, cols }] = await terminal.terminals(other);
    assert.equal(await terminal.run(other, "stty size"), `${rows} ${cols}`);
  }));

function numbers(first, last) {
  return Array.from({ length: last - first + 1 }, (_, at) => `${first + at}\r\n`).join("");
}
