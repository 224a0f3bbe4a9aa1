// Writes the pictures of the README: docs/screenshots/*.png.
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { launch } from "./support/browser.mjs";
import { startNode } from "./support/node.mjs";
import { enter, prompt, screenHas } from "./support/terminal.mjs";

const FOLDER = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));
const VIEW = { width: 1200, height: 720 };
const PLAYGROUND = process.env.SANDLOT_PLAYGROUND ?? "workbench";
const LINES = [
  "grep PRETTY /etc/os-release",
  "ls --color=always -l / | head -n 8",
  "python3 -c 'print(2 ** 64)'",
  "ps -ef --forest | tail -n 4",
  // A link appears above the terminal.
  "python3 -m http.server 8000 >/dev/null 2>&1 &",
];

const node = await startNode(["tiny", PLAYGROUND]);
const browser = await launch();
try {
  await mkdir(FOLDER, { recursive: true });
  for (const colorScheme of ["dark", "light"]) {
    await take(await browser.newContext({ viewport: VIEW, colorScheme }), colorScheme);
  }
} finally {
  await browser.close();
  await node.stop();
}

async function take(context, theme) {
  const page = await context.newPage();
  await page.goto(`${node.url}/?test=1`);
  await page.locator("[data-playground=brief]").evaluate((card) => card.remove());
  await page.screenshot({ path: `${FOLDER}landing-${theme}.png`, fullPage: true });
  await page.locator(`[data-playground=${PLAYGROUND}] [data-start]`).click();
  await page.waitForURL("**/s/**");
  await work(page);
  await page.screenshot({ path: `${FOLDER}session-${theme}.png` });
  await page.locator("[data-close-session]").click();
  await page.locator("[data-close-for-good]").click();
  await page.getByRole("alertdialog").waitFor();
  if (theme === "dark") {
    await page.screenshot({ path: `${FOLDER}ended.png` });
  }
  await context.close();
}

async function work(page) {
  await prompt(page);
  for (const line of LINES) {
    await enter(page, line);
    await prompt(page);
  }
  await screenHas(page, /18446744073709551616/);
  await page.getByRole("link", { name: /Port 8000/ }).waitFor();
}
