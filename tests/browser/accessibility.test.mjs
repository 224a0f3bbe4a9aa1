// Each page is checked by axe-core, in both themes: names, roles, order and contrast.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { withPages } from "./support/browser.mjs";
import { browser, node } from "./support/ground.mjs";
import { startSession } from "./support/terminal.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

for (const colorScheme of ["dark", "light"]) {
  test(`the start page, ${colorScheme}`, () =>
    withPages(browser, { colorScheme }, async (open) => check(await open(`${node.url}/`))));

  test(`a page that is not there, ${colorScheme}`, () =>
    withPages(browser, { colorScheme }, async (open) => check(await open(`${node.url}/s/nothing`))));

  test(`a session from start to end, ${colorScheme}`, () =>
    withPages(browser, { colorScheme }, async (open) => {
      const page = await startSession(open, node.url);
      await check(page);
      await page.keyboard.press("Control+Shift+F");
      await check(page);
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Menu" }).click();
      await check(page);
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Close", exact: true }).click();
      await check(page);
      await page.getByRole("button", { name: "Close it" }).click();
      await page.getByRole("alertdialog").waitFor();
      await check(page);
      await page.reload();
      await check(page);
    }));
}

/** Fails with what axe-core finds. The inside of the terminal is xterm.js's own. */
async function check(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run({ exclude: [".xterm"] }));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
  assert.deepEqual(found, []);
}
