/** Dark or light: follows the system until the person chooses, and remembers the choice. */

import { onPress, parts } from "./dom";
import { recall, remember } from "./memory";

export type Theme = "dark" | "light";

const KEY = "theme";
const SYSTEM_LIGHT = matchMedia("(prefers-color-scheme: light)");
const listeners: ((theme: Theme) => void)[] = [];

/** The theme in use. */
export function theme(): Theme {
  const chosen = recall(KEY);
  if (chosen === "dark" || chosen === "light") {
    return chosen;
  }
  return SYSTEM_LIGHT.matches ? "light" : "dark";
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
  const system: Theme = SYSTEM_LIGHT.matches ? "light" : "dark";
  remember(KEY, other === system ? undefined : other);
  apply();
}

function apply(): void {
  const now = theme();
  document.documentElement.dataset.theme = now;
  const other = now === "dark" ? "light" : "dark";
  parts("theme-toggle").forEach((button) => (button.textContent = `Use ${other} theme`));
  listeners.forEach((changed) => changed(now));
}
