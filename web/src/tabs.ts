/**
 * The row of tabs: one for each terminal, worked by mouse or by arrow keys, as the ARIA tabs pattern says. The cross on a
 * tab is for pointers; Delete on the tab and the menu do the same.
 */

import { onPress, part, stamp } from "./dom";
import type { TerminalTab } from "./terminal_tab";

let made = 0;

export class Tabs {
  private readonly entries: { tab: TerminalTab; button: HTMLElement; entry: HTMLElement }[] = [];
  private current: TerminalTab | undefined;

  /** `closed` is called when the person asks to close a tab. */
  constructor(
    private readonly row: HTMLElement,
    private readonly closed: (tab: TerminalTab) => void,
    private readonly selected: (tab: TerminalTab) => void,
  ) {
    row.addEventListener("keydown", (event) => this.keyed(event));
  }

  get all(): TerminalTab[] {
    return this.entries.map(({ tab }) => tab);
  }

  get active(): TerminalTab | undefined {
    return this.current;
  }

  add(tab: TerminalTab): void {
    const entry = stamp("tab-template");
    const button = part("tab", entry);
    made += 1;
    button.id = `tab-${made}`;
    tab.panel.id = `panel-${made}`;
    tab.title = `${tab.instance} · ${made}`;
    button.setAttribute("aria-controls", tab.panel.id);
    tab.panel.setAttribute("aria-labelledby", button.id);
    onPress(button, () => this.select(tab));
    onPress(part("tab-close", entry), () => this.closed(tab));
    this.entries.push({ tab, button, entry });
    this.row.append(entry);
    this.label(tab);
    this.select(tab);
  }

  /** Shows `tab`, and no other. */
  select(tab: TerminalTab): void {
    this.current = tab;
    for (const { tab: each, button, entry } of this.entries) {
      const chosen = each === tab;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      entry.classList.toggle("is-chosen", chosen);
      chosen ? each.show() : each.hide();
    }
    this.selected(tab);
  }

  /** Writes the terminal's title on its tab. */
  label(tab: TerminalTab): void {
    const entry = this.entries.find((each) => each.tab === tab);
    if (entry) {
      entry.button.textContent = tab.title;
      entry.button.title = tab.title;
      entry.entry.classList.toggle("is-over", tab.state.kind === "ended");
    }
  }

  remove(tab: TerminalTab): void {
    const at = this.entries.findIndex((each) => each.tab === tab);
    const [gone] = at < 0 ? [] : this.entries.splice(at, 1);
    gone?.entry.remove();
    tab.dispose();
    const next = this.entries[at] ?? this.entries[at - 1];
    if (this.current === tab) {
      this.current = undefined;
      if (next) {
        this.select(next.tab);
      }
    }
  }

  /** Puts the focus on the chosen tab. */
  focus(): void {
    this.entries.find(({ tab }) => tab === this.current)?.button.focus();
  }

  private keyed(event: KeyboardEvent): void {
    const at = this.entries.findIndex(({ button }) => button === event.target);
    const last = this.entries.length - 1;
    const steps: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last };
    const to = steps[event.key];
    if (at >= 0 && to !== undefined) {
      event.preventDefault();
      const entry = this.entries[(to + this.entries.length) % this.entries.length];
      entry && this.select(entry.tab);
      entry?.button.focus();
    } else if (at >= 0 && event.key === "Delete") {
      this.closed(this.entries[at]!.tab);
    }
  }
}
