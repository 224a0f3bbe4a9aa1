/** The terminals of a session page: those that are there already, new ones, and the tabs they stand in. */

import type { Ending } from "./connection";
import { part } from "./dom";
import type { Control } from "./protocol";
import type { SessionApi } from "./session_api";
import { guard } from "./shortcuts";
import type { Actions } from "./shortcuts";
import { showState } from "./state_chip";
import { Tabs } from "./tabs";
import { TerminalTab } from "./terminal_tab";
import type { Listener } from "./terminal_tab";
import { TouchKeys } from "./touch_keys";

/** What the session page does for its terminals. */
export interface Page {
  readonly actions: Actions;
  /** Runs `work`, says what went wrong, and tells whether nothing did. */
  guarded(work: () => Promise<void>): Promise<boolean>;
  control(control: Control): void;
  /** A connection will not come back. True if that is because the session is over. */
  ended(reason: Ending): Promise<boolean>;
  isOver(): boolean;
}

const ENDED_NOTES: Partial<Record<Ending, string>> = {
  gone: "This terminal was closed. Press Enter for a new one.",
  viewers: "Too many windows show this terminal. Close one of them and reload this page.",
};

export class Terminals {
  readonly tabs: Tabs;
  private readonly place = part("terminals");
  private readonly touchKeys = new TouchKeys(() => this.tabs.active?.screen);

  constructor(
    private readonly api: SessionApi,
    private readonly page: Page,
    private readonly firstInstance: string,
  ) {
    const closed = (tab: TerminalTab) => void this.close(tab);
    this.tabs = new Tabs(part("tabs"), closed, (tab) => this.show(tab));
  }

  /** Takes up the terminals that are there, so that a reload shows what was there before; else starts the first. */
  async takeUp(): Promise<void> {
    const there = await this.api.terminals();
    if (there.length === 0) {
      await this.open();
    }
    for (const { id, instance } of there) {
      void this.add(instance).join(id);
    }
  }

  /** Starts a new terminal on `instance`, else where the chosen one is. */
  async open(instance = this.tabs.active?.instance ?? this.firstInstance): Promise<void> {
    const tab = this.add(instance);
    if (!(await this.page.guarded(() => tab.openNew()))) {
      this.remove(tab);
    }
  }

  /** Closes the chosen terminal, for good. */
  async closeActive(): Promise<void> {
    const { active } = this.tabs;
    await (active && this.close(active));
  }

  /** Moves the focus between the chosen terminal and its tab. */
  switchFocus(): void {
    const inTerminal = this.place.contains(document.activeElement);
    inTerminal ? this.tabs.focus() : this.tabs.active?.screen.terminal.focus();
  }

  /** Connects at once where a connection waits to be tried again. */
  hurry(): void {
    this.tabs.all.forEach((tab) => tab.hurry());
  }

  private add(instance: string): TerminalTab {
    const tab: TerminalTab = new TerminalTab(this.api, instance, this.place, this.listener());
    guard(tab.screen.terminal, this.page.actions);
    this.tabs.add(tab);
    return tab;
  }

  private listener(): Listener {
    return {
      keys: (data) => this.touchKeys.apply(data),
      stateChanged: (tab) => tab === this.tabs.active && this.show(tab),
      titleChanged: (tab) => this.show(tab),
      control: (control) => this.page.control(control),
      ended: (tab, reason) => void this.ended(tab, reason),
      again: (tab) => void this.replace(tab),
    };
  }

  private show(tab: TerminalTab): void {
    this.tabs.label(tab);
    if (tab === this.tabs.active && !this.page.isOver()) {
      document.title = `${tab.title} · Sandlot`;
      showState(tab.state);
    }
  }

  private async ended(tab: TerminalTab, reason: Ending): Promise<void> {
    this.tabs.label(tab);
    const note = ENDED_NOTES[reason];
    if (!(await this.page.ended(reason)) && note) {
      tab.note(note);
    }
  }

  private async replace(tab: TerminalTab): Promise<void> {
    if (!this.page.isOver()) {
      this.remove(tab);
      await this.open(tab.instance);
    }
  }

  private async close(tab: TerminalTab): Promise<void> {
    const { id, state } = tab;
    this.remove(tab);
    if (id !== undefined && state.kind !== "ended") {
      await this.page.guarded(() => this.api.closeTerminal(id));
    }
  }

  private remove(tab: TerminalTab): void {
    this.tabs.remove(tab);
    if (!this.tabs.active) {
      showState(undefined);
    }
  }
}
