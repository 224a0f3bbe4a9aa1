/** One terminal on the session page: its connection, its screen and the panel that holds them. */

import { Connection } from "./connection";
import type { Ending, State } from "./connection";
import { part, stamp } from "./dom";
import { look } from "./look";
import type { Control, Winsize } from "./protocol";
import { exitReason } from "./reasons";
import { Screen } from "./screen";
import type { Look } from "./screen";
import type { SessionApi } from "./session_api";
import { Sizing } from "./sizing";

const CARRIAGE_RETURN = 13;

/** What the page wants to know of its terminals. */
export interface Listener {
  /** May change what was typed before it is sent. */
  keys(data: string): string;
  stateChanged(tab: TerminalTab): void;
  titleChanged(tab: TerminalTab): void;
  control(control: Control): void;
  ended(tab: TerminalTab, reason: Ending): void;
  /** Enter was pressed in a terminal that has ended. */
  again(tab: TerminalTab): void;
}

export class TerminalTab {
  readonly panel = stamp("terminal-template");
  readonly screen: Screen;
  /** Output as it is given to the screen; only tests listen. */
  tap: ((bytes: Uint8Array, end: number) => void) | undefined;
  id: string | undefined;
  title = "";
  state: State = { kind: "connecting" };
  driver = true;
  private readonly connection: Connection;
  private readonly sizing: Sizing;

  constructor(
    private readonly api: SessionApi,
    readonly instance: string,
    host: HTMLElement,
    private readonly listener: Listener,
  ) {
    host.append(this.panel);
    const place = part("screen", this.panel);
    this.screen = new Screen(place, look(), (data) => listener.keys(data), (bytes) => this.typed(bytes));
    this.connection = new Connection(() => this.ticket(), {
      output: (bytes, end) => this.output(bytes, end),
      snapshot: (bytes, end) => this.screen.restart(bytes, end, () => this.connection.drawn(end)),
      control: (control) => this.controlled(control),
      state: (state) => this.changed(state),
    });
    this.sizing = new Sizing(place, () => this.screen.fittingSize(), (size) => this.sized(size));
    this.screen.terminal.onTitleChange((title) => this.titled(title));
  }

  /** Starts a new terminal of the size of its place. */
  async openNew(): Promise<void> {
    this.sizing.now();
    const { rows, cols } = this.screen.terminal;
    const { id, ws_url } = await this.api.openTerminal(this.instance, { rows, cols });
    this.id = id;
    await this.connection.start(ws_url);
  }

  /** Joins a terminal that is already there. */
  async join(id: string): Promise<void> {
    this.id = id;
    this.sizing.now();
    await this.connection.start();
  }

  show(): void {
    this.panel.hidden = false;
    this.screen.show();
    this.sizing.soon();
  }

  hide(): void {
    this.panel.hidden = true;
    this.screen.hide();
  }

  /** Connects at once if it waits to do so. */
  hurry(): void {
    this.connection.hurry();
  }

  wear(look: Look): void {
    this.screen.wear(look);
    this.sizing.soon();
  }

  /** Takes it off the page; the terminal itself lives on. */
  dispose(): void {
    this.connection.stop();
    this.sizing.stop();
    this.screen.dispose();
    this.panel.remove();
  }

  /** Says `text` in a strip below the screen. */
  note(text: string): void {
    const strip = part("strip", this.panel);
    strip.hidden = false;
    part("strip-text", strip).textContent = text;
    this.sizing.soon();
  }

  private typed(bytes: Uint8Array): void {
    if (this.state.kind !== "ended") {
      this.connection.input(bytes);
    } else if (bytes.length === 1 && bytes[0] === CARRIAGE_RETURN) {
      this.listener.again(this);
    }
  }

  private async ticket(): Promise<string> {
    return (await this.api.ticket(this.id ?? "")).ws_url;
  }

  private output(bytes: Uint8Array, end: number): void {
    this.tap?.(bytes, end);
    this.screen.write(bytes, end, () => this.connection.drawn(end));
  }

  private controlled(control: Control): void {
    if (control.type === "hello") {
      this.screen.begin(control.offset, control.head);
      this.setDriver(control.driver);
    } else if (control.type === "driver") {
      this.setDriver(control.driver);
    } else if (control.type === "size" && !this.driver) {
      this.screen.resize(control);
    } else if (control.type === "exit") {
      this.note(`${exitReason(control.code, control.signal)} Press Enter for a new one.`);
    }
    this.listener.control(control);
  }

  private setDriver(driver: boolean): void {
    this.driver = driver;
    this.screen.setDriver(driver);
    this.sizing.now(true);
  }

  /** A viewer that is not the driver keeps the driver's size. */
  private sized(size: Winsize): void {
    if (this.driver) {
      this.screen.resize(size);
      this.connection.resize(size);
    }
  }

  private changed(state: State): void {
    this.state = state;
    this.listener.stateChanged(this);
    if (state.kind === "ended") {
      this.listener.ended(this, state.reason);
    }
  }

  private titled(title: string): void {
    this.title = title;
    this.listener.titleChanged(this);
  }
}
