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

const NUMBERS = 200_000;

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

test("a flood over dropped connections loses and doubles no byte", () =>
  withPages(browser, { mayLoseNetwork: true }, async (open) => {
    const page = await terminal.startSession(open, proxy.url);
    await terminal.record(page);
    await terminal.enter(page, `seq 1 ${NUMBERS}; echo do''ne`);
    for (const least of [1_000, 200_000, 500_000, 900_000, 1_200_000]) {
      await terminal.recordedAtLeast(page, least);
      proxy.drop();
    }
    await eventually(async () => (await terminal.recorded(page)).includes("\r\ndone\r\n"), "all has come");
    const got = await terminal.recorded(page);
    const expected = Array.from({ length: NUMBERS }, (_, at) => `${at + 1}\r\n`).join("");
    const from = /[\r\n]1\r\n2\r\n/.exec(got).index + 1;
    assert.equal(got.slice(from, got.indexOf("done\r\n", from)), expected);
  }));

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
    for (const each of [page, other]) {
      await eventually(async () => /\r\ndone\r\n.*[#$] $/s.test(await terminal.recorded(each)), "both have all");
    }
    assert.equal(await terminal.recorded(other), await terminal.recorded(page));
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
