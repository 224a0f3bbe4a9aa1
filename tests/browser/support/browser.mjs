// Debian's Chromium, and pages of it that are watched: a script error, a breach of the content security policy or a
// request to a foreign origin fails the test that opened the page.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { PATIENCE } from "./wait.mjs";

/** Answers of the server that a test provokes show up as console errors of the browser's own. */
const EXPECTED_CONSOLE = /Failed to load resource: the server responded with a status of 4\d\d/;
const BROKEN_NETWORK = /WebSocket connection to .* failed|net::ERR_/;

/** The browser; `words` are further words of its command line. */
export function launch(words = []) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", ...words],
  });
}

/**
 * Runs `steps` with a fresh context, and fails if one of its pages misbehaved.
 * `steps` gets `open(url)`, which opens a watched page, and the context.
 */
export async function withPages(browser, options, steps) {
  const { mayLoseNetwork = false, ...contextOptions } = options;
  const context = await browser.newContext({ viewport: { width: 1000, height: 600 }, ...contextOptions });
  context.setDefaultTimeout(PATIENCE);
  const faults = [];
  const open = async (url) => {
    const page = await context.newPage();
    watch(page, new URL(url).host, faults, mayLoseNetwork);
    await page.goto(url);
    return page;
  };
  try {
    await steps(open, context);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
}

function watch(page, host, faults, mayLoseNetwork) {
  page.on("pageerror", (error) => faults.push(`script error: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    const expected = EXPECTED_CONSOLE.test(text) || (mayLoseNetwork && BROKEN_NETWORK.test(text));
    if (message.type() === "error" && !expected) {
      faults.push(`console: ${text}`);
    }
  });
  const visit = (address) => {
    const { host: to, protocol } = new URL(address);
    if (to !== host && protocol !== "data:" && protocol !== "blob:") {
      faults.push(`request to another origin: ${address}`);
    }
  };
  page.on("request", (request) => visit(request.url()));
  page.on("websocket", (socket) => visit(socket.url()));
}
