/** Finding and making elements. Templates mark what the script needs with `data-*` attributes. */

/** The element marked `[data-NAME]`; its absence is a mistake in the template. */
export function part<T extends HTMLElement = HTMLElement>(name: string, within: ParentNode = document): T {
  const element = within.querySelector<T>(`[data-${name}]`);
  if (!element) {
    throw new Error(`find the part ${name}: not on this page`);
  }
  return element;
}

/** All elements marked `[data-NAME]`. */
export function parts<T extends HTMLElement = HTMLElement>(name: string, within: ParentNode = document): T[] {
  return [...within.querySelectorAll<T>(`[data-${name}]`)];
}

/** A copy of the first element of `<template data-NAME>`. */
export function stamp<T extends HTMLElement = HTMLElement>(name: string): T {
  const content = part<HTMLTemplateElement>(name).content.cloneNode(true) as DocumentFragment;
  return content.firstElementChild as T;
}

/** Calls `pressed` when the element is clicked, or pressed by keyboard. */
export function onPress(element: HTMLElement, pressed: (event: MouseEvent) => void): void {
  element.addEventListener("click", pressed);
}
