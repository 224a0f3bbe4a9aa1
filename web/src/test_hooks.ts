/**
 * Lets browser tests read the terminals, in `window.sandlotTest`. There only when the server was started with test
 * hooks and the address asks for them.
 */

import type { Tabs } from "./tabs";
import type { TerminalTab } from "./terminal_tab";

interface TestTerminal {
  id: string | undefined;
  renderer: string;
  driver: boolean;
  state: string;
  rows: number;
  cols: number;
  screen: string[];
  cursor: { row: number; col: number };
  /** Offset after the last byte given to the screen. */
  end: number;
}

interface TestHooks {
  terminals(): TestTerminal[];
  active(): TestTerminal | undefined;
  /** From now on keeps what the terminals are given. */
  record(): void;
  recordedLength(): number;
  /** What was kept, as one character a byte. */
  recorded(): string;
  selectAll(): void;
  /** Columns of the active screen's first line that has `text`, where it stands. */
  columnsOf(text: string): number[];
  /** Takes the WebGL context away, as a browser short of memory does. */
  loseContext(): void;
}

declare global {
  interface Window {
    sandlotTest?: TestHooks;
  }
}

/** Sets `window.sandlotTest` if this page may. */
export function exposeForTests(tabs: Tabs): void {
  const asked = new URLSearchParams(location.search).get("test") === "1";
  if (!asked || document.body.dataset.testHooks === undefined) {
    return;
  }
  const kept = new Recording();
  window.sandlotTest = {
    terminals: () => tabs.all.map(describe),
    active: () => tabs.active && describe(tabs.active),
    record: () => kept.start(tabs.all),
    recordedLength: () => kept.length,
    recorded: () => kept.text(),
    selectAll: () => tabs.active?.screen.terminal.selectAll(),
    columnsOf: (text) => (tabs.active ? columnsOf(tabs.active, text) : []),
    loseContext: () => document.querySelectorAll("canvas").forEach(loseContext),
  };
}

class Recording {
  length = 0;
  private pieces: Uint8Array[] = [];

  start(tabs: TerminalTab[]): void {
    this.length = 0;
    this.pieces = [];
    tabs.forEach((tab) => (tab.tap = (bytes) => this.keep(bytes)));
  }

  text(): string {
    return this.pieces.map((bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).join("");
  }

  private keep(bytes: Uint8Array): void {
    this.length += bytes.length;
    this.pieces.push(bytes.slice());
  }
}

function columnsOf({ screen }: TerminalTab, text: string): number[] {
  const { cols, rows, buffer } = screen.terminal;
  const cells = (row: number) =>
    Array.from({ length: cols }, (_, col) => buffer.active.getLine(buffer.active.viewportY + row)?.getCell(col)?.getChars());
  const found = Array.from({ length: rows }, (_, row) => cells(row)).find((line) => line.includes(text));
  return (found ?? []).flatMap((chars, col) => (chars === text ? [col] : []));
}

function loseContext(canvas: HTMLCanvasElement): void {
  canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
}

function describe({ id, screen, driver, state }: TerminalTab): TestTerminal {
  const { rows, cols, buffer } = screen.terminal;
  const { active } = buffer;
  const lines = Array.from({ length: rows }, (_, row) => active.getLine(active.viewportY + row)?.translateToString(true));
  return {
    id,
    renderer: screen.renderer,
    driver,
    state: state.kind,
    rows,
    cols,
    screen: lines.map((line) => line ?? ""),
    cursor: { row: active.cursorY, col: active.cursorX },
    end: screen.end,
  };
}
