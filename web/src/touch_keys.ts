/** The row of keys that a phone's keyboard lacks. Ctrl holds for the next character. */

import { part, parts } from "./dom";
import type { Screen } from "./screen";

const ESCAPE = "\x1b";
const ARROWS: Record<string, string> = { up: "A", down: "B", right: "C", left: "D" };
const PLAIN: Record<string, string> = { escape: ESCAPE, tab: "\t" };

export class TouchKeys {
  private readonly ctrl = part("ctrl-key");

  /** `screen` gives the one to type into. */
  constructor(private readonly screen: () => Screen | undefined) {
    parts("key").forEach((button) => button.addEventListener("pointerdown", (event) => this.pressed(event, button)));
    this.ctrl.addEventListener("pointerdown", (event) => this.toggled(event));
  }

  /** `data` as it is to be sent: with Ctrl held, a letter becomes its control character, and Ctrl is let go. */
  apply(data: string): string {
    if (!this.isHeld() || data.length !== 1) {
      return data;
    }
    this.hold(false);
    const code = data.toUpperCase().charCodeAt(0);
    return code >= 0x40 && code < 0x60 ? String.fromCharCode(code - 0x40) : data;
  }

  /** The focus stays in the terminal, so that the phone's keyboard does. */
  private pressed(event: PointerEvent, button: HTMLElement): void {
    event.preventDefault();
    const terminal = this.screen()?.terminal;
    const name = button.dataset.key ?? "";
    const arrow = ARROWS[name];
    const introducer = terminal?.modes.applicationCursorKeysMode ? "O" : "[";
    terminal?.input(arrow ? ESCAPE + introducer + arrow : (PLAIN[name] ?? name));
  }

  private toggled(event: PointerEvent): void {
    event.preventDefault();
    this.hold(!this.isHeld());
  }

  private isHeld(): boolean {
    return this.ctrl.getAttribute("aria-pressed") === "true";
  }

  private hold(on: boolean): void {
    this.ctrl.setAttribute("aria-pressed", String(on));
  }
}
