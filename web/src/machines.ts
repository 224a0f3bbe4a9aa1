/** The machines of the session: a button for a terminal on each, and the menu by which they come, go and start again. */

import { announce } from "./announce";
import { onPress, part, parts, stamp } from "./dom";
import type { SessionApi } from "./session_api";

/** What the machines need of their page. */
export interface MachinesPage {
  guarded(work: () => Promise<void>): Promise<boolean>;
  openTerminal(instance: string): Promise<void>;
}

export class Machines {
  constructor(
    private readonly api: SessionApi,
    private readonly page: MachinesPage,
  ) {
    for (const button of parts("new-terminal")) {
      this.bindTerminal(button, button.dataset.newTerminal ?? "");
    }
    for (const entry of parts("machine")) {
      this.bindEntry(entry, entry.dataset.machine ?? "");
    }
    onPress(part("add-machine"), () => void this.page.guarded(() => this.add()));
  }

  private bindTerminal(button: HTMLElement, name: string): void {
    onPress(button, () => void this.page.openTerminal(name));
  }

  private bindEntry(entry: HTMLElement, name: string): void {
    onPress(part("reboot", entry), () => void this.page.guarded(() => this.reboot(name)));
    onPress(part("remove-machine", entry), () => void this.page.guarded(() => this.remove(name)));
  }

  private async add(): Promise<void> {
    announce("A machine is added.");
    const { name } = await this.api.addInstance();
    this.show(name);
    await this.page.openTerminal(name);
  }

  /** Its buttons, as the server makes them for those that are there from the start. */
  private show(name: string): void {
    const button = stamp<HTMLButtonElement>("new-terminal-template");
    button.dataset.newTerminal = name;
    button.textContent = `+ ${name}`;
    button.title = `New terminal on ${name}`;
    button.setAttribute("aria-label", button.title);
    this.bindTerminal(button, name);
    part("new-terminals").append(button);
    const entry = stamp("machine-template");
    entry.dataset.machine = name;
    part("reboot", entry).textContent = `Reboot ${name}`;
    part("remove-machine", entry).textContent = `Remove ${name}`;
    this.bindEntry(entry, name);
    part("machines").append(entry);
  }

  private async reboot(name: string): Promise<void> {
    await this.api.reboot(name);
    announce(`${name} starts again.`);
    await this.page.openTerminal(name);
  }

  private async remove(name: string): Promise<void> {
    await this.api.removeInstance(name);
    announce(`${name} is gone, with everything on it.`);
    for (const gone of [...parts("new-terminal"), ...parts("machine")]) {
      if (gone.dataset.newTerminal === name || gone.dataset.machine === name) {
        gone.remove();
      }
    }
  }
}
