// How a session goes on longer, how it ends, and what the page says of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { withPages } from "./support/browser.mjs";
import { browser, node } from "./support/ground.mjs";
import { joinSession, startSession, terminals } from "./support/terminal.mjs";
import { eventually } from "./support/wait.mjs";

test("Extend gives more time", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    const fresh = await secondsLeft(page);
    await eventually(async () => (await secondsLeft(page)) < fresh - 2, "some time is gone");
    const before = await secondsLeft(page);
    await page.getByRole("button", { name: "Extend" }).click();
    await page.getByText("Extended.").waitFor();
    await eventually(async () => (await secondsLeft(page)) > before, "the countdown shows more");
  }));

test("Close asks first, and Keep it keeps it", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    await page.getByRole("button", { name: "Close", exact: true }).click();
    await page.getByRole("button", { name: "Keep it" }).click();
    assert.equal((await terminals(page))[0].state, "open");
  }));

test("after Close the page says so, keeps what was shown, and a reload says it too", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    const other = await joinSession(open, page);
    await page.bringToFront();
    await page.getByRole("button", { name: "Close", exact: true }).click();
    await page.getByRole("button", { name: "Close it" }).click();
    for (const each of [page, other]) {
      await each.getByRole("alertdialog").getByText("It was closed.").waitFor();
    }
    assert.match((await terminals(page))[0].screen.join("\n"), /[#$]/);
    const answer = await page.reload();
    assert.equal(answer.status(), 410);
    await page.getByRole("heading", { name: "This session has ended." }).waitFor();
    await page.getByRole("link", { name: "Start a new one" }).click();
    await page.waitForURL("**/s/**");
  }));

test("when its time is over the page says that", async (context) => {
  if (!node.isOwn) {
    return context.skip("needs a playground of a few seconds, which a node of SANDLOT_URL need not have");
  }
  return withPages(browser, {}, async (open) => {
    const page = await open(`${node.url}/?playground=brief&test=1`);
    await page.getByRole("alertdialog").getByText("Its time was over.").waitFor();
    const answer = await page.reload();
    assert.equal(answer.status(), 410);
    await page.getByText("Its time was over.").waitFor();
  });
});

test("an address that is none gives a page that helps", () =>
  withPages(browser, {}, async (open) => {
    const page = await open(`${node.url}/s/${"A".repeat(22)}`);
    assert.equal(await page.locator("body").getAttribute("data-page"), "error");
    await page.getByRole("link", { name: "Start page" }).click();
    await page.getByRole("heading", { name: /Linux machine/ }).waitFor();
  }));

test("the strict content security policy is there, and forbids inline script", () =>
  withPages(browser, {}, async (open) => {
    const page = await open(`${node.url}/`);
    const policy = (await (await fetch(node.url)).headers.get("content-security-policy")) ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self'(;|$)/);
    assert.match(policy, /style-src-attr 'none'/);
    assert.equal(await page.locator("[style], script:not([src])").count(), 0);
  }));

async function secondsLeft(page) {
  const text = await page.locator("[data-countdown]").textContent();
  return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}
