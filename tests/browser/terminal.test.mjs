// What a terminal on the page does: text of every kind, size, search, copy and paste, several tabs.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { withPages } from "./support/browser.mjs";
import { browser, node } from "./support/ground.mjs";
import { enter, prompt, run, screen, screenHas, startSession, terminals } from "./support/terminal.mjs";
import { eventually } from "./support/wait.mjs";

test("the shell's size is the page's, and follows it", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    const size = async () => {
      const { rows, cols } = (await terminals(page))[0];
      return `${rows} ${cols}`;
    };
    const first = await size();
    assert.equal(await run(page, "stty size"), first);
    await page.setViewportSize({ width: 700, height: 420 });
    await eventually(async () => (await size()) !== first, "the terminal is smaller");
    const smaller = await size();
    await eventually(async () => (await run(page, "stty size")) === (await size()), "the shell learns its size");
    assert.notEqual(smaller, first);
  }));

test("the size is right before the shell starts", () =>
  withPages(browser, { viewport: { width: 1180, height: 700 } }, async (open) => {
    const page = await startSession(open, node.url);
    const { rows, cols } = (await terminals(page))[0];
    assert.notDeepEqual([rows, cols], [24, 80]);
    assert.equal(await run(page, "stty size"), `${rows} ${cols}`);
  }));

test("wide, combined and joined characters take the columns they should", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    const text = "日本語|e\u0301|👩‍👩‍👧|🇩🇪|";
    const octal = [...new TextEncoder().encode(text)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
    await enter(page, `clear; printf '${octal}'; printf '\\033[6n'; read -r -s -n 12 answer; echo`);
    await screenHas(page, /日本語\|/);
    assert.ok((await screen(page)).includes(text));
    const bars = await page.evaluate(() => window.sandlotTest.columnsOf("|"));
    assert.deepEqual(bars.slice(0, 4), [6, 8, 11, 14]);
  }));

test("all 256 byte values arrive", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    await page.evaluate(() => window.sandlotTest.record());
    const escape = (_, byte) => `\\${byte.toString(8).padStart(3, "0")}`;
    const escapes = Array.from({ length: 256 }, escape);
    await enter(page, `low='${escapes.slice(0, 128).join("")}'`);
    await enter(page, `high='${escapes.slice(128).join("")}'`);
    await enter(page, `stty -opost; printf "<<<$low$high>>>"; stty sane`);
    const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
    const arrived = async () => (await page.evaluate(() => window.sandlotTest.recorded())).includes(`<<<${all}>>>`);
    await eventually(arrived, "all bytes have arrived");
  }));

test("a query is answered once when it is asked, and not again by a replay", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    await enter(page, "stty -echo -icanon min 1 time 5; printf '\\033[c'; dd bs=64 count=1 2>/dev/null | od -c | head -n 2; stty sane");
    await screenHas(page, /033 +\[ +\? +1 +; +2 +c/);
    await prompt(page);
    await enter(page, "clear; echo wait''ing; cat");
    await screenHas(page, /^waiting$/m);
    await page.reload();
    await screenHas(page, /^waiting$/m);
    await enter(page, "alone");
    await screenHas(page, /^alone\nalone$/m);
    assert.equal(await screen(page), "waiting\nalone\nalone");
  }));

test("it draws by WebGL, and by plain elements when that is lost", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    assert.equal((await terminals(page))[0].renderer, "webgl");
    await page.evaluate(() => window.sandlotTest.loseContext());
    await eventually(async () => (await terminals(page))[0].renderer === "dom", "the context is given up");
    assert.equal(await run(page, "echo st''ill"), "still");
    await page.locator(".xterm-rows").getByText("still", { exact: true }).waitFor();
  }));

test("search finds, counts and gives the focus back", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    await run(page, "for i in 1 2 3; do echo nee''dle $i; done");
    await page.keyboard.press("Control+Shift+F");
    await page.keyboard.type("needle");
    await page.getByText(/^\d of 3$/).waitFor();
    const first = await page.locator("[data-search-count]").textContent();
    await page.keyboard.press("Enter");
    await eventually(async () => (await page.locator("[data-search-count]").textContent()) !== first, "the next hit");
    await page.keyboard.press("Escape");
    await enter(page, "echo fo''cus");
    await screenHas(page, /^focus$/m);
  }));

test("copy and paste by keyboard", () =>
  withPages(browser, { permissions: ["clipboard-read", "clipboard-write"] }, async (open) => {
    const page = await startSession(open, node.url);
    await run(page, "echo so''urce");
    await page.evaluate(() => window.sandlotTest.selectAll());
    await page.keyboard.press("Control+Shift+C");
    await page.getByText("Copied.", { exact: true }).waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /source/);
    await page.evaluate(() => navigator.clipboard.writeText("echo past''ed"));
    await page.keyboard.press("Control+Shift+V");
    await page.keyboard.press("Enter");
    await screenHas(page, /^pasted$/m);
  }));

test("a long paste arrives whole", () =>
  withPages(browser, { permissions: ["clipboard-read", "clipboard-write"] }, async (open) => {
    const page = await startSession(open, node.url);
    const text = Array.from({ length: 4000 }, (_, at) => `line ${at} of what is pasted\n`).join("");
    await enter(page, "stty -echo; echo rea''dy; cat > /tmp/pasted; stty echo; md5sum < /tmp/pasted");
    await screenHas(page, /^ready$/m);
    await page.evaluate((pasted) => navigator.clipboard.writeText(pasted), text);
    await page.keyboard.press("Control+Shift+V");
    await page.keyboard.press("Control+D");
    await screenHas(page, new RegExp(`^${createHash("md5").update(text).digest("hex")} `, "m"));
  }));

test("several terminals in tabs, chosen by arrow keys and closed", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    await run(page, "echo fir''st");
    await page.keyboard.press("Control+Shift+Enter");
    await page.getByRole("tab").nth(1).waitFor();
    await prompt(page);
    assert.equal(await run(page, "echo sec''ond"), "second");
    await page.keyboard.press("Control+F6");
    await page.keyboard.press("ArrowLeft");
    await screenHas(page, /^first$/m);
    assert.equal((await terminals(page)).length, 2);
    await page.reload();
    await eventually(async () => (await terminals(page)).length === 2, "both are there again");
    await page.locator("[data-tab-close]").nth(1).click();
    await eventually(async () => (await terminals(page)).length === 1, "one is closed");
    await screenHas(page, /^first$/m);
  }));

test("exit ends that terminal only, and Enter opens another", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    await enter(page, "echo last wo''rds; exit 3");
    await page.getByText("The shell has ended with exit code 3. Press Enter for a new one.").waitFor();
    await screenHas(page, /^last words$/m);
    const [{ id }] = await terminals(page);
    await page.keyboard.press("Enter");
    await eventually(async () => (await terminals(page))[0]?.id > id, "another terminal");
    await prompt(page);
    assert.equal(await run(page, "echo ag''ain"), "again");
  }));

test("a phone has the keys that its keyboard lacks", () =>
  withPages(browser, { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }, async (open) => {
    const page = await startSession(open, node.url);
    await enter(page, "echo wait''ing; cat");
    await screenHas(page, /^waiting$/m);
    await page.getByRole("button", { name: "Ctrl" }).tap();
    await page.keyboard.type("c");
    await prompt(page);
    await page.getByRole("button", { name: "Up" }).tap();
    await screenHas(page, /[#$] echo wait''ing; cat$/);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
  }));

test("screen reader mode gives the text to assistive software", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    await page.getByRole("button", { name: "Menu" }).click();
    const choice = page.getByRole("switch", { name: "Screen reader mode" });
    assert.equal(await choice.getAttribute("aria-checked"), "false");
    await choice.click();
    assert.equal(await choice.getAttribute("aria-checked"), "true");
    await page.keyboard.press("Escape");
    await page.locator(".panel:not([hidden]) textarea").focus();
    await run(page, "echo he''ard");
    await page.locator(".xterm-accessibility").getByText("heard", { exact: true }).first().waitFor();
  }));
