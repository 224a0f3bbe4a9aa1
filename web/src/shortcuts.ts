/** The page's own key combinations, taken from the terminal before it sees them. */

import type { Terminal } from "@xterm/xterm";

/** What each combination does. */
export interface Actions {
  copy(): void;
  search(): void;
  newTerminal(): void;
  /** Moves the focus from the terminal to the bar, or back. */
  switchFocus(): void;
  help(): void;
}

/** True if the event was one of ours, and has been dealt with. */
export function pressed(event: KeyboardEvent, actions: Actions): boolean {
  const action = actionOf(event, actions);
  if (action) {
    event.preventDefault();
    event.stopPropagation();
    action();
  }
  return action !== undefined;
}

/**
 * Keeps the page's combinations from the terminal. Ctrl+Shift+V is left to the browser: its paste event reaches
 * xterm.js without a permission to read the clipboard.
 */
export function guard(terminal: Terminal, actions: Actions): void {
  terminal.attachCustomKeyEventHandler((event) => {
    const isPaste = event.ctrlKey && event.shiftKey && event.code === "KeyV";
    return !isPaste && actionOf(event, actions) === undefined;
  });
}

function actionOf(event: KeyboardEvent, actions: Actions): (() => void) | undefined {
  if (!event.ctrlKey || event.altKey || event.metaKey) {
    return undefined;
  }
  if (event.code === "F6") {
    return actions.switchFocus;
  }
  const shifted: Record<string, () => void> = {
    KeyC: actions.copy,
    KeyF: actions.search,
    Enter: actions.newTerminal,
    Slash: actions.help,
  };
  return event.shiftKey ? shifted[event.code] : undefined;
}
