/** The chip in the bar that says how the chosen terminal's connection is. */

import { announce, hush } from "./announce";
import type { State } from "./connection";
import { part } from "./dom";

type Kind = State["kind"] | "none";

/** Shows `state`. A loss is announced, and what was announced taken back when the connection is there again. */
export function showState(state: State | undefined): void {
  const chip = part("state");
  const kind: Kind = state?.kind ?? "none";
  const before = chip.dataset.kind;
  chip.dataset.kind = kind;
  chip.textContent = words(state);
  if (before === "open" && kind === "waiting") {
    announce("The connection was lost. Trying again.", true);
  } else if (before !== "open" && kind === "open") {
    hush();
  }
}

/** Shows that the whole session is over. */
export function showOver(): void {
  const chip = part("state");
  chip.dataset.kind = "ended";
  chip.textContent = "Ended";
}

function words(state: State | undefined): string {
  switch (state?.kind) {
    case "open":
      return "Connected";
    case "waiting":
      return state.seconds > 1 ? `Reconnecting in ${state.seconds} s` : "Reconnecting";
    case "ended":
      return "Terminal ended";
    case "connecting":
      return "Connecting";
    default:
      return "No terminal";
  }
}
