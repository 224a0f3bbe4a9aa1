/** Dark or light: follows the system until the person chooses, and remembers the choice. */

import { onPress, parts } from "./dom";
import { recall, remember } from "./memory";

export type Theme = "dark" | "light";

const KEY = "theme";
const SYSTEM_LIGHT = matchMedia("(prefers-color-scheme: light)");
const listeners: ((theme: Theme) => void)[] = [];

/** The theme in use. */
export function theme(): Theme {
  return chosen() ?? system();
}

/** Calls `changed` on each change of theme. */
export function onTheme(changed: (theme: Theme) => void): void {
  listeners.push(changed);
}

/** Puts the theme on the page and makes the buttons marked `data-theme-toggle` change it. */
export function startTheme(): void {
  apply();
  SYSTEM_LIGHT.addEventListener("change", apply);
  parts("theme-toggle").forEach((button) => onPress(button, toggle));
}

function toggle(): void {
  const other: Theme = theme() === "dark" ? "light" : "dark";
  remember(KEY, other === system() ? undefined : other);
  apply();
}

function chosen(): Theme | undefined {
  const kept = recall(KEY);
  return kept === "dark" || kept === "light" ? kept : undefined;
}

function system(): Theme {
  return SYSTEM_LIGHT.matches ? "light" : "dark";
}

/** Only a choice is written on the page: the system's wish the style sheet follows by itself. */
function apply(): void {
  const choice = chosen();
  const { dataset } = document.documentElement;
  choice ? (dataset.theme = choice) : delete dataset.theme;
  const other = theme() === "dark" ? "light" : "dark";
  parts("theme-toggle").forEach((button) => (button.textContent = `Use ${other} theme`));
  listeners.forEach((changed) => changed(theme()));
}
