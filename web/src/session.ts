/** The session page: puts its parts together and decides what happens between them. */

import { announce, hush } from "./announce";
import { Refusal } from "./api";
import { copy } from "./clipboard";
import type { Ending, State } from "./connection";
import { Countdown } from "./countdown";
import { onPress, part, parts } from "./dom";
import { startLook } from "./look";
import type { Control } from "./protocol";
import { sessionReason } from "./reasons";
import { SearchBar } from "./search_bar";
import { SessionApi } from "./session_api";
import { guard, pressed } from "./shortcuts";
import type { Actions } from "./shortcuts";
import { Tabs } from "./tabs";
import { TerminalTab } from "./terminal_tab";
import { exposeForTests } from "./test_hooks";

class SessionPage {
  private readonly body = document.body;
  private readonly api = new SessionApi(this.body.dataset.session ?? "");
  private readonly place = part("terminals");
  private readonly tabs = new Tabs(
    part("tabs"),
    (tab) => void this.closeTab(tab),
    () => this.showState(),
  );
  private readonly search = new SearchBar(part("search"), () => this.tabs.active?.screen);
  private readonly countdown = new Countdown(
    part("countdown"),
    this.body.dataset.expiresAt ?? "",
    Number(this.body.dataset.secondsLeft ?? 0),
  );
  private readonly actions: Actions = {
    copy: () => void copy(this.tabs.active?.screen.terminal.getSelection() ?? ""),
    search: () => this.search.open(),
    newTerminal: () => void this.openTerminal(this.tabs.active?.instance ?? this.firstInstance()),
    switchFocus: () => this.switchFocus(),
    help: () => part<HTMLDialogElement>("help").showModal(),
  };
  private reason: string | undefined;
  private over = false;

  async start(): Promise<void> {
    this.bindButtons();
    this.bindPage();
    startLook((look) => this.tabs.all.forEach((tab) => (tab.screen.wear(look), tab.refit())));
    exposeForTests(this.tabs);
    await this.guarded(() => this.openFirst());
  }

  private bindButtons(): void {
    parts("new-terminal").forEach((button) =>
      onPress(button, () => void this.openTerminal(button.dataset.newTerminal ?? this.firstInstance())),
    );
    onPress(part("extend"), () => void this.guarded(() => this.extend()));
    onPress(part("close-session"), () => part<HTMLDialogElement>("confirm-close").showModal());
    onPress(part("close-for-good"), () => void this.guarded(() => this.closeSession()));
    onPress(part("open-search"), () => this.search.open());
    onPress(part("open-help"), this.actions.help);
    onPress(part("copy-address"), () => void copy(location.origin + location.pathname));
    parts("reboot").forEach((button) => onPress(button, () => void this.guarded(() => this.reboot(button))));
  }

  private bindPage(): void {
    window.addEventListener("keydown", (event) => this.over || pressed(event, this.actions), { capture: true });
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  /** Takes up the terminals that are there, so that a reload shows what was there before; else starts the first. */
  private async openFirst(): Promise<void> {
    const there = await this.api.terminals();
    if (there.length === 0) {
      await this.openTerminal(this.firstInstance());
    }
    for (const { id, instance } of there) {
      void this.addTab(instance).join(id);
    }
  }

  private firstInstance(): string {
    return part("new-terminal").dataset.newTerminal ?? "m1";
  }

  private addTab(instance: string): TerminalTab {
    const tab = new TerminalTab(this.api, instance, this.place, {
      stateChanged: () => this.showState(),
      titleChanged: (changed) => this.titleChanged(changed),
      control: (control) => this.controlled(control),
      ended: (ended, reason) => void this.terminalEnded(ended, reason),
      again: (ended) => void this.replace(ended),
    });
    guard(tab.screen.terminal, this.actions);
    this.tabs.add(tab);
    return tab;
  }

  private async openTerminal(instance: string): Promise<void> {
    const tab = this.addTab(instance);
    const opened = await this.guarded(() => tab.openNew());
    if (!opened) {
      this.tabs.remove(tab);
    }
  }

  private async replace(tab: TerminalTab): Promise<void> {
    if (!this.over) {
      this.tabs.remove(tab);
      await this.openTerminal(tab.instance);
    }
  }

  private async closeTab(tab: TerminalTab): Promise<void> {
    const { id, state } = tab;
    this.tabs.remove(tab);
    this.showState();
    if (id !== undefined && state.kind !== "ended") {
      await this.guarded(() => this.api.closeTerminal(id));
    }
  }

  private controlled(control: Control): void {
    if (control.type === "expiry") {
      this.countdown.set(control.expires_at, control.seconds_left, control.warning);
    } else if (control.type === "ending") {
      this.reason = control.reason;
    } else if (control.type === "notice") {
      announce(control.text);
    }
  }

  private async terminalEnded(tab: TerminalTab, reason: Ending): Promise<void> {
    this.tabs.label(tab);
    if (reason === "session" || reason === "supervisor") {
      this.end(this.reason ?? (reason === "supervisor" ? "supervisor_lost" : undefined));
    } else if (reason === "gone" && (await this.sessionIsGone())) {
      this.end(this.reason);
    } else if (reason === "viewers") {
      tab.note("Too many windows show this terminal. Close one of them and reload this page.");
    } else if (reason === "gone") {
      tab.note("This terminal was closed.");
    }
  }

  private async sessionIsGone(): Promise<boolean> {
    try {
      const { state } = await this.api.read();
      return state !== "running";
    } catch (error) {
      return error instanceof Refusal && (error.status === 404 || error.status === 410);
    }
  }

  private async extend(): Promise<void> {
    const { expires_at } = await this.api.extend();
    this.countdown.moveTo(expires_at);
    announce("Extended.");
  }

  private async closeSession(): Promise<void> {
    this.reason = "closed";
    await this.api.close();
    this.end("closed");
  }

  private async reboot(button: HTMLElement): Promise<void> {
    const instance = button.dataset.reboot ?? this.firstInstance();
    await this.api.reboot(instance);
    announce(`${instance} starts again.`);
    await this.openTerminal(instance);
  }

  /** Covers the page with why the session ended; what the terminals show stays readable behind it. */
  private end(reason: string | undefined): void {
    if (this.over) {
      return;
    }
    this.over = true;
    hush();
    part("end-reason").textContent = sessionReason(reason);
    part("end").hidden = false;
    this.body.classList.add("is-over");
    this.showState();
    part("end-again").focus();
  }

  private showState(): void {
    const state = this.tabs.active?.state;
    const chip = part("state");
    const [kind, text] = this.over ? ["ended", "Ended"] : described(state);
    if (chip.dataset.kind === "open" && kind === "waiting") {
      announce("The connection was lost. Trying again.", true);
    } else if (chip.dataset.kind !== "open" && kind === "open") {
      hush();
    }
    chip.dataset.kind = kind;
    chip.textContent = text;
  }

  private titleChanged(tab: TerminalTab): void {
    this.tabs.label(tab);
  }

  private switchFocus(): void {
    const inTerminal = this.place.contains(document.activeElement);
    inTerminal ? this.tabs.focus() : this.tabs.active?.screen.terminal.focus();
  }

  private hurry(): void {
    this.tabs.all.forEach((tab) => tab.hurry());
  }

  /** Runs `work`; says what went wrong if it fails. True if it did not. */
  private async guarded(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      announce(error instanceof Refusal ? error.message : "Something went wrong. Reload this page.");
      if (error instanceof Refusal && error.status === 404 && (await this.sessionIsGone())) {
        this.end(this.reason);
      }
      return false;
    }
  }
}

function described(state: State | undefined): [string, string] {
  switch (state?.kind) {
    case "open":
      return ["open", "Connected"];
    case "waiting":
      return ["waiting", state.seconds > 1 ? `Reconnecting in ${state.seconds} s` : "Reconnecting"];
    case "ended":
      return ["ended", "Terminal ended"];
    case "connecting":
      return ["connecting", "Connecting"];
    default:
      return ["none", "No terminal"];
  }
}

/** Starts the session page. */
export function startSessionPage(): void {
  void new SessionPage().start();
}
