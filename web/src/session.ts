/** The session page: its buttons, its time, its end. The terminals on it are `Terminals`' matter. */

import { announce, hush } from "./announce";
import { Refusal } from "./api";
import { Backoff } from "./backoff";
import { copy } from "./clipboard";
import type { Ending } from "./connection";
import { Countdown } from "./countdown";
import { onPress, part, parts } from "./dom";
import { startLook } from "./look";
import { Machines } from "./machines";
import type { MachinesPage } from "./machines";
import { Ports } from "./ports";
import type { Control } from "./protocol";
import { sessionReason } from "./reasons";
import { SearchBar } from "./search_bar";
import { SessionApi } from "./session_api";
import { pressed } from "./shortcuts";
import type { Actions } from "./shortcuts";
import { showOver } from "./state_chip";
import { Terminals } from "./terminals";
import type { Page } from "./terminals";
import { exposeForTests } from "./test_hooks";

class SessionPage implements Page, MachinesPage {
  readonly actions: Actions = {
    copy: () => void copy(this.terminals.tabs.active?.screen.terminal.getSelection() ?? ""),
    search: () => this.search.open(),
    newTerminal: () => void this.terminals.open(),
    switchFocus: () => this.terminals.switchFocus(),
    help: () => part<HTMLDialogElement>("help").showModal(),
  };
  private readonly body = document.body;
  private readonly api = new SessionApi(this.body.dataset.session ?? "");
  private readonly firstInstance = part("new-terminal").dataset.newTerminal ?? "";
  private readonly terminals = new Terminals(this.api, this, this.firstInstance);
  private readonly search = new SearchBar(part("search"), () => this.terminals.tabs.active?.screen);
  private readonly ports = new Ports(this.api, this, () => parts("new-terminal").length > 1);
  private readonly countdown = new Countdown(
    part("countdown"),
    this.body.dataset.expiresAt ?? "",
    Number(this.body.dataset.secondsLeft ?? 0),
  );
  /** Why the session ends, as far as it was said. Set by the server's word or by closing it here. */
  private reason: string | undefined;
  private over = false;

  async start(): Promise<void> {
    this.bindButtons();
    this.bindPage();
    startLook((look) => this.terminals.tabs.all.forEach((tab) => tab.wear(look)));
    exposeForTests(this.terminals.tabs);
    this.ports.start();
    await this.takeUp(new Backoff());
  }

  isOver(): boolean {
    return this.over;
  }

  control(control: Control): void {
    if (control.type === "expiry") {
      this.countdown.set(control.expires_at, control.seconds_left, control.warning);
    } else if (control.type === "ending") {
      this.reason = control.reason;
    } else if (control.type === "notice") {
      announce(control.text);
    }
  }

  openTerminal(instance: string): Promise<void> {
    return this.terminals.open(instance);
  }

  async ended(ending: Ending): Promise<boolean> {
    if (ending === "supervisor") {
      this.end(this.reason ?? "supervisor_lost");
    } else if (ending === "session" || (ending === "gone" && (await this.isGone()))) {
      this.end(this.reason);
    }
    return this.over;
  }

  async guarded(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      announce(error instanceof Refusal ? error.message : "Something went wrong. Reload this page.");
      if (error instanceof Refusal && error.status === 404 && (await this.isGone())) {
        this.end(this.reason);
      }
      return false;
    }
  }

  /** Joins the session's terminals; while the service cannot be reached, tries again. */
  private async takeUp(backoff: Backoff): Promise<void> {
    const retry = () => setTimeout(() => void this.takeUp(backoff), backoff.next());
    await this.guarded(() =>
      this.terminals.takeUp().catch((error: unknown) => {
        if (error instanceof Refusal && (error.status === 0 || error.status >= 500)) {
          retry();
        }
        throw error;
      }),
    );
  }

  private bindButtons(): void {
    const doing = (work: () => Promise<void>) => () => void this.guarded(work);
    new Machines(this.api, this);
    onPress(part("extend"), doing(() => this.extend()));
    onPress(part("close-session"), () => part<HTMLDialogElement>("confirm-close").showModal());
    onPress(part("close-for-good"), doing(() => this.close()));
    onPress(part("close-terminal"), () => void this.terminals.closeActive());
    onPress(part("open-search"), this.actions.search);
    onPress(part("open-help"), this.actions.help);
    onPress(part("copy-address"), () => void copy(location.origin + location.pathname));
  }

  private bindPage(): void {
    const key = (event: KeyboardEvent) => this.over || pressed(event, this.actions);
    window.addEventListener("keydown", key, { capture: true });
    window.addEventListener("online", () => this.terminals.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.terminals.hurry());
  }

  private async extend(): Promise<void> {
    const { expires_at } = await this.api.extend();
    this.countdown.moveTo(expires_at);
    announce("Extended.");
  }

  private async close(): Promise<void> {
    this.reason = "closed";
    await this.api.close();
    this.end("closed");
  }

  /** True if the session is over; then what the server says of the reason is kept. */
  private async isGone(): Promise<boolean> {
    try {
      const { state, end_reason } = await this.api.read();
      this.reason ??= end_reason ?? undefined;
      return state !== "running";
    } catch (error) {
      return error instanceof Refusal && (error.status === 404 || error.status === 410);
    }
  }

  /** Covers the page with why the session ended; what the terminals show stays readable behind it. */
  private end(reason: string | undefined): void {
    if (this.over) {
      return;
    }
    this.over = true;
    hush();
    showOver();
    part("end-reason").textContent = sessionReason(reason);
    part("end").hidden = false;
    this.body.classList.add("is-over");
    part("end-again").focus();
  }
}

/** Starts the session page. */
export function startSessionPage(): void {
  void new SessionPage().start();
}
