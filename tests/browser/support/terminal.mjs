// Reads and types into the terminals of a session page, by the hooks that the page has under `?test=1`.
import { PATIENCE } from "./wait.mjs";

/** Starts a session of the playground by address, and waits for its prompt. */
export async function startSession(open, url, playground = "tiny") {
  const page = await open(`${url}/?playground=${playground}&test=1`);
  await page.waitForURL("**/s/**");
  await prompt(page);
  return page;
}

/** Opens the address of a session that is there. */
export async function joinSession(open, page) {
  const address = new URL(page.url());
  const other = await open(`${address.origin}${address.pathname}?test=1`);
  await prompt(other);
  return other;
}

/** Waits until a shell prompt is the last thing on the active terminal. */
export function prompt(page) {
  return screenHas(page, /[#$] ?$/);
}

/** What the page says of its terminals. */
export function terminals(page) {
  return page.evaluate(() => window.sandlotTest?.terminals() ?? []);
}

/** The active terminal's screen, without the empty lines at its end. */
export async function screen(page) {
  return page.evaluate(() => window.sandlotTest.active()?.screen.join("\n").trimEnd() ?? "");
}

/** Waits until the active terminal's screen matches. */
export async function screenHas(page, pattern) {
  const match = ([source, flags]) => {
    const text = window.sandlotTest?.active()?.screen.join("\n").trimEnd() ?? "";
    return new RegExp(source, flags).test(text);
  };
  try {
    await page.waitForFunction(match, [pattern.source, pattern.flags], { timeout: PATIENCE });
  } catch {
    const shown = await page.evaluate(() => JSON.stringify(window.sandlotTest?.terminals(), null, 1)).catch(String);
    throw new Error(`waited in vain until the screen matches ${pattern}: ${shown}`);
  }
}

/** Types a line, and Enter. */
export async function enter(page, line) {
  await page.keyboard.type(line);
  await page.keyboard.press("Enter");
}

let runs = 0;

/** Clears the screen, runs `line` and gives what it prints. The markers are not in the echo of the line, nor used twice. */
export async function run(page, line) {
  runs += 1;
  const [begin, end] = [`begin${runs}\n`, `end${runs}\n`];
  await enter(page, `clear; echo be''gin${runs}; ${line}; echo en''d${runs}`);
  await screenHas(page, new RegExp(`^${begin}[^]*^${end}`, "m"));
  const text = await screen(page);
  return text.slice(text.indexOf(begin) + begin.length, text.lastIndexOf(end)).trim();
}

/** Starts to keep every byte that the page's terminals are given. */
export function record(page) {
  return page.evaluate(() => window.sandlotTest.record());
}

/** What was kept, one character a byte. */
export function recorded(page) {
  return page.evaluate(() => window.sandlotTest.recorded());
}

/** Waits until at least `count` bytes were kept, or what was kept matches `pattern` at its end. */
export function recordedAtLeast(page, count) {
  return page.waitForFunction((least) => window.sandlotTest.recordedLength() >= least, count, { timeout: PATIENCE });
}
