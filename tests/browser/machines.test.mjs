// Machines on the page: one more is added, knows the others, and is removed with what shows it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { withPages } from "./support/browser.mjs";
import { browser, node } from "./support/ground.mjs";
import { run, startSession } from "./support/terminal.mjs";
import { eventually } from "./support/wait.mjs";

async function choose(page, name) {
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("button", { name, exact: true }).click();
}

test("a machine is added, reached by its name, and removed", () =>
  withPages(browser, {}, async (open) => {
    const page = await startSession(open, node.url);
    await choose(page, "Add a machine");
    await page.getByRole("tab", { name: /m2/ }).waitFor();
    await eventually(async () => (await run(page, "hostname")) === "node2", "the terminal is on the new machine");
    assert.match(await run(page, "ping -c 1 -W 5 node1 | grep -c ' 0% packet loss'"), /^1$/);
    await choose(page, "Remove m2");
    await page.getByText("m2 is gone").waitFor();
    assert.equal(await page.getByRole("button", { name: "New terminal on m2" }).count(), 0);
    await choose(page, "Remove m1");
    await page.getByText("A session keeps its last machine.").waitFor();
  }));
