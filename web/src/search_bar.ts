/** The search box over a terminal: as you type, Enter for the next hit, Shift+Enter for the one before, Escape closes. */

import type { ISearchOptions } from "@xterm/addon-search";

import { onPress, part } from "./dom";
import type { Screen } from "./screen";
import { theme } from "./theme";
import type { Theme } from "./theme";

type Marks = NonNullable<ISearchOptions["decorations"]>;

const RULER = { matchOverviewRuler: "#c58a2c", activeMatchColorOverviewRuler: "#f0803c" };
const MARKS: Record<Theme, Marks> = {
  dark: { matchBackground: "#4d4223", activeMatchBackground: "#7a4a16", ...RULER },
  light: { matchBackground: "#f3e4bd", activeMatchBackground: "#f3b765", ...RULER },
};

export class SearchBar {
  private readonly field: HTMLInputElement;
  private readonly count: HTMLElement;
  private readonly watched = new WeakSet<Screen>();

  /** `screen` gives the one to search now. */
  constructor(
    private readonly bar: HTMLElement,
    private readonly screen: () => Screen | undefined,
  ) {
    this.field = part<HTMLInputElement>("search-field", bar);
    this.count = part("search-count", bar);
    this.field.addEventListener("input", () => this.find(true, true));
    bar.addEventListener("keydown", (event) => this.keyed(event));
    onPress(part("search-next", bar), () => this.find(true));
    onPress(part("search-previous", bar), () => this.find(false));
    onPress(part("search-close", bar), () => this.close());
  }

  open(): void {
    this.bar.hidden = false;
    const selected = this.screen()?.terminal.getSelection() ?? "";
    if (selected !== "" && !selected.includes("\n")) {
      this.field.value = selected;
    }
    this.field.select();
    this.field.focus();
    this.find(true, true);
  }

  close(): void {
    this.bar.hidden = true;
    this.screen()?.search.clearDecorations();
    this.screen()?.terminal.focus();
  }

  private keyed(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      this.close();
    } else if (event.key === "Enter" && event.target === this.field) {
      event.preventDefault();
      this.find(!event.shiftKey);
    }
  }

  private find(forward: boolean, incremental = false): void {
    const screen = this.screen();
    if (!screen) {
      return;
    }
    this.watch(screen);
    const text = this.field.value;
    const options = { decorations: MARKS[theme()], incremental };
    forward ? screen.search.findNext(text, options) : screen.search.findPrevious(text, options);
    if (text === "") {
      this.count.textContent = "";
    }
  }

  private watch(screen: Screen): void {
    if (!this.watched.has(screen)) {
      this.watched.add(screen);
      screen.search.onDidChangeResults(({ resultIndex, resultCount }) => this.counted(resultIndex, resultCount));
    }
  }

  private counted(index: number, count: number): void {
    const found = count === 0 ? "No match" : `${index + 1} of ${count}`;
    this.count.textContent = this.field.value === "" ? "" : found;
  }
}
