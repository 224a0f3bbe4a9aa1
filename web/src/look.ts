/** How terminals look: colours by theme, text size, and the mode for screen readers. */

import { announce } from "./announce";
import { onPress, parts } from "./dom";
import { recall, remember } from "./memory";
import { DARK, LIGHT } from "./palette";
import type { Look } from "./screen";
import { onTheme, theme } from "./theme";

const SMALLEST = 9;
const LARGEST = 32;
const USUAL = 15;

/** The look to wear now. */
export function look(): Look {
  return {
    theme: theme() === "dark" ? DARK : LIGHT,
    fontSize: fontSize(),
    screenReader: recall("screen-reader") === "on",
  };
}

/** Makes the settings in the menu work, and calls `changed` whenever the look does. */
export function startLook(changed: (look: Look) => void): void {
  const tell = () => changed(look());
  onTheme(tell);
  parts("text-size").forEach((button) => onPress(button, () => step(Number(button.dataset.textSize), tell)));
  parts("screen-reader").forEach((button) => startScreenReader(button, tell));
}

function fontSize(): number {
  const size = Number(recall("text-size"));
  return size >= SMALLEST && size <= LARGEST ? size : USUAL;
}

function step(by: number, tell: () => void): void {
  const size = Math.min(LARGEST, Math.max(SMALLEST, fontSize() + by));
  remember("text-size", String(size));
  announce(`Text size ${size}.`);
  tell();
}

function startScreenReader(button: HTMLElement, tell: () => void): void {
  const show = () => button.setAttribute("aria-checked", String(look().screenReader));
  show();
  onPress(button, () => {
    remember("screen-reader", look().screenReader ? undefined : "on");
    show();
    tell();
  });
}
