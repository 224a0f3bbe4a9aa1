// The landing page: what it says, and every way to start from it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { withPages } from "./support/browser.mjs";
import { browser, node } from "./support/ground.mjs";
import { enter, prompt, run, screenHas } from "./support/terminal.mjs";

test("Start on a card gives a shell that answers", () =>
  withPages(browser, {}, async (open) => {
    const page = await open(`${node.url}/?test=1`);
    await page.locator("[data-playground=tiny]").getByRole("button", { name: /start/i }).click();
    await page.waitForURL("**/s/**");
    await prompt(page);
    assert.equal(await run(page, "echo $((6 * 7))"), "42");
  }));

test("/?playground=NAME starts at once", () =>
  withPages(browser, {}, async (open) => {
    const page = await open(`${node.url}/?playground=tiny&test=1`);
    await page.waitForURL("**/s/**");
    await prompt(page);
    await enter(page, "echo star''ted");
    await screenHas(page, /^started$/m);
  }));

test("Start up front leaves the choice to the service", () =>
  withPages(browser, {}, async (open) => {
    const page = await open(`${node.url}/?test=1`);
    await page.getByRole("button", { name: "Start", exact: true }).first().click();
    await page.waitForURL("**/s/**");
    await prompt(page);
  }));

test("an unknown playground is said, and leads back", () =>
  withPages(browser, {}, async (open) => {
    const page = await open(`${node.url}/?playground=${encodeURIComponent(`"><img src=x onerror=alert(1)>`)}`);
    await page.getByText(/no playground of this name/).waitFor();
    assert.equal(await page.locator("img[src=x]").count(), 0);
    await page.getByRole("link", { name: "Start page" }).click();
    await page.getByRole("heading", { name: /Linux machine/ }).waitFor();
  }));

test("a refusal is shown as a sentence that says when to try again", () =>
  withPages(browser, {}, async (open) => {
    const page = await open(`${node.url}/`);
    await page.route("**/api/v1/sessions", (route) =>
      route.fulfill({
        status: 429,
        headers: { "retry-after": "40", "content-type": "application/problem+json" },
        body: JSON.stringify({ title: "too many sessions", detail: "this address has too many sessions" }),
      }),
    );
    await page.locator("[data-playground=tiny] [data-start]").click();
    await page.getByText("This address has too many sessions. Try again in 40 s.").waitFor();
    assert.equal(await page.locator("[data-playground=tiny] [data-start]").isEnabled(), true);
  }));

test("a playground whose image is being made shows how far it is, and starts when it is there", () =>
  withPages(browser, {}, async (open) => {
    let state = "making";
    const page = await open(`${node.url}/?test=1`);
    await page.route("**/api/v1/playgrounds", (route) =>
      route.fulfill({ json: { playgrounds: [{ name: "tiny", state, progress: "unpacking 41 of 203" }] } }),
    );
    await page.evaluate(() => (document.querySelector("[data-playground=tiny]").dataset.state = "making"));
    await page.locator("[data-playground=tiny] [data-start]").click();
    await page.getByText("unpacking 41 of 203").waitFor();
    await page.getByRole("button", { name: /tiny/i }).filter({ hasText: "Starts when ready" }).waitFor();
    state = "ready";
    await page.waitForURL("**/s/**");
    await prompt(page);
  }));

test("it can be worked by keyboard alone, from start to close", () =>
  withPages(browser, {}, async (open) => {
    const page = await open(`${node.url}/?test=1`);
    await tabTo(page, "[data-playground=tiny] [data-start]");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/s/**");
    await prompt(page);
    await page.keyboard.press("Control+F6");
    assert.equal(await focused(page, "[role=tab]"), true);
    await page.keyboard.press("Control+F6");
    await enter(page, "echo ba''ck");
    await screenHas(page, /^back$/m);
    await page.keyboard.press("Control+F6");
    await tabTo(page, "[data-close-session]");
    await page.keyboard.press("Enter");
    await tabTo(page, "[data-close-for-good]");
    await page.keyboard.press("Enter");
    await page.getByText("It was closed.").waitFor();
    assert.equal(await focused(page, "[data-end-again]"), true);
  }));

test("the theme follows the system until it is chosen, and the choice is kept", () =>
  withPages(browser, { colorScheme: "light" }, async (open) => {
    const page = await open(`${node.url}/`);
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await ground();
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await ground();
    assert.notEqual(light, dark);
    await page.getByRole("button", { name: "Use light theme" }).click();
    assert.equal(await ground(), light);
    await page.reload();
    assert.equal(await ground(), light);
  }));

test("it fits a phone, without scrolling sideways", () =>
  withPages(browser, { viewport: { width: 360, height: 640 } }, async (open) => {
    const page = await open(`${node.url}/`);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
  }));

/** Presses Tab until the focus is on `selector`. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press("Tab");
    if (await focused(page, selector)) {
      return;
    }
  }
  assert.fail(`40 times Tab did not reach ${selector}`);
}

function focused(page, selector) {
  return page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector);
}
