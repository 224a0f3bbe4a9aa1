/**
 * The screen of one terminal: an xterm.js with its add-ons, fed with output under offsets. Knows nothing of sockets.
 */

import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { WebglAddon } from "@xterm/addon-webgl";
import { Terminal } from "@xterm/xterm";
import type { ITheme } from "@xterm/xterm";

import { isFocusReport, silenceAnswers } from "./answers";
import { WINSIZE_MAX } from "./protocol";
import type { Winsize } from "./protocol";

const SCROLLBACK_LINES = 10_000;
const FONTS = 'ui-monospace, "SFMono-Regular", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
const ENCODER = new TextEncoder();
/** Resets parser, modes and both buffers (RIS), in order with what has been written. */
const RESET = ENCODER.encode("\x1bc");

export interface Look {
  theme: ITheme;
  fontSize: number;
  screenReader: boolean;
}

export class Screen {
  readonly terminal: Terminal;
  readonly search = new SearchAddon();
  private readonly fit = new FitAddon();
  private webgl: WebglAddon | undefined;
  private webglWorks = true;
  /** Output below this offset is replay. Raised by `begin` and by snapshots. */
  private replayEnd = 0;
  /** Output below this offset has been parsed. */
  private parsed = 0;
  /** Stretches given to xterm.js and not yet parsed. */
  private queued = 0;
  /** Only the driver's terminal answers queries. Set by the connection's messages. */
  private mayAnswer = true;

  /** `keys` may change what was typed; `typed` gets what is to be sent as input. */
  constructor(host: HTMLElement, look: Look, keys: (data: string) => string, typed: (bytes: Uint8Array) => void) {
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: true,
      drawBoldTextInBrightColors: false,
      fontFamily: FONTS,
      logLevel: "off",
      linkHandler: { activate: (_event, address) => openLink(address) },
      macOptionIsMeta: true,
      scrollback: SCROLLBACK_LINES,
      ...lookOptions(look),
    });
    this.loadAddons();
    silenceAnswers(this.terminal, () => this.isSilent());
    this.terminal.onData((data) => this.hasData(data) && typed(ENCODER.encode(keys(data))));
    this.terminal.onBinary((data) => typed(Uint8Array.from(data, (char) => char.charCodeAt(0))));
    this.terminal.open(host);
  }

  /** Draws output that ends at offset `end`, then calls `done`. */
  write(bytes: Uint8Array, end: number, done: () => void): void {
    const replay = Math.min(bytes.length, Math.max(0, this.replayEnd - (end - bytes.length)));
    if (replay > 0 && replay < bytes.length) {
      this.draw(bytes.subarray(0, replay), end - bytes.length + replay);
    }
    this.draw(replay < bytes.length ? bytes.subarray(replay) : bytes, end, done);
  }

  /** Starts anew with the screen that `bytes` paint, which stands for all output below `end`. */
  restart(bytes: Uint8Array, end: number, done: () => void): void {
    this.replayEnd = Math.max(this.replayEnd, end);
    this.terminal.write(RESET);
    this.draw(bytes, end, done);
  }

  /** A connection begins: output goes on at `offset`, and all of it below `head` is replay. */
  begin(offset: number, head: number): void {
    this.replayEnd = Math.max(this.replayEnd, head);
    if (this.queued === 0) {
      this.parsed = offset;
    }
  }

  setDriver(driver: boolean): void {
    this.mayAnswer = driver;
  }

  /** The size that fills the host now; undefined while it is not shown. */
  fittingSize(): Winsize | undefined {
    const size = this.fit.proposeDimensions();
    const fits = (number: number) => Math.min(number, WINSIZE_MAX);
    return size && size.cols > 1 && size.rows > 1 ? { rows: fits(size.rows), cols: fits(size.cols) } : undefined;
  }

  resize({ rows, cols }: Winsize): void {
    this.terminal.resize(cols, rows);
  }

  /** Draws by WebGL while it is shown: browsers allow only some contexts in one page. */
  show(): void {
    this.useWebgl();
    this.terminal.focus();
  }

  hide(): void {
    this.webgl?.dispose();
    this.webgl = undefined;
  }

  wear(look: Look): void {
    Object.assign(this.terminal.options, lookOptions(look));
  }

  dispose(): void {
    this.hide();
    this.terminal.dispose();
  }

  /** Offset after the last byte that is on the screen. */
  get end(): number {
    return this.parsed;
  }

  /** `webgl` or `dom`: what draws at the moment. */
  get renderer(): "webgl" | "dom" {
    return this.webgl ? "webgl" : "dom";
  }

  private loadAddons(): void {
    this.terminal.loadAddon(this.fit);
    this.terminal.loadAddon(this.search);
    this.terminal.loadAddon(new UnicodeGraphemesAddon());
    this.terminal.loadAddon(new WebLinksAddon((_event, address) => openLink(address)));
  }

  private useWebgl(): void {
    if (this.webgl || !this.webglWorks) {
      return;
    }
    const addon = new WebglAddon();
    try {
      addon.onContextLoss(() => this.giveUpWebgl());
      this.terminal.loadAddon(addon);
      this.webgl = addon;
    } catch {
      this.giveUpWebgl();
      addon.dispose();
    }
  }

  private giveUpWebgl(): void {
    this.webglWorks = false;
    this.hide();
  }

  private draw(bytes: Uint8Array, end: number, done?: () => void): void {
    this.queued += 1;
    this.terminal.write(bytes, () => {
      this.queued -= 1;
      this.parsed = end;
      done?.();
    });
  }

  private isSilent(): boolean {
    return !this.mayAnswer || this.parsed < this.replayEnd;
  }

  private hasData(data: string): boolean {
    return !(this.isSilent() && isFocusReport(data));
  }
}

function lookOptions({ theme, fontSize, screenReader }: Look) {
  return { theme, fontSize, screenReaderMode: screenReader };
}

/** Opens a link of the output in a tab of its own, which learns nothing of this page. */
function openLink(address: string): void {
  if (/^https?:\/\//i.test(address)) {
    window.open(address, "_blank", "noopener,noreferrer");
  }
}
