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
  /** What the active terminal was given since `record`, as one character a byte. */
  recorded(): string;
  record(): void;
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
  let pieces: string[] = [];
  window.sandlotTest = {
    terminals: () => tabs.all.map(describe),
    recorded: () => pieces.join(""),
    record: () => {
      pieces = [];
      tabs.all.forEach((tab) => (tab.tap = (bytes) => pieces.push(latin1(bytes))));
    },
  };
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

function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
