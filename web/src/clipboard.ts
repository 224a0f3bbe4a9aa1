/** Copies text. Outside a secure context the browser's own copy command does it. */

import { announce } from "./announce";

/** Copies `text`, and says so. */
export async function copy(text: string): Promise<void> {
  if (text === "") {
    announce("Select some text first.");
    return;
  }
  const done = await (navigator.clipboard ? byClipboard(text) : Promise.resolve(byCommand(text)));
  announce(done ? "Copied." : "The browser did not allow copying.");
}

async function byClipboard(text: string): Promise<boolean> {
  return navigator.clipboard.writeText(text).then(
    () => true,
    () => byCommand(text),
  );
}

function byCommand(text: string): boolean {
  const put = (event: ClipboardEvent) => {
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  document.addEventListener("copy", put, { capture: true, once: true });
  const done = document.execCommand("copy");
  document.removeEventListener("copy", put, { capture: true });
  return done;
}
