/** The requests of one session, proven by the page's cookie. */

import { call } from "./api";
import type { SessionView, TerminalTicket, TerminalView } from "./api";
import type { Winsize } from "./protocol";

export type Visibility = "private" | "link" | "closed";

/** A port of a machine. */
export interface PortView {
  port: number;
  url: string;
  path_url: string;
  visibility: Visibility;
}

export class SessionApi {
  private readonly base: string;

  constructor(id: string) {
    this.base = `/api/v1/sessions/${encodeURIComponent(id)}`;
  }

  read(): Promise<SessionView> {
    return call("GET", this.base);
  }

  extend(): Promise<SessionView> {
    return call("POST", `${this.base}/extend`);
  }

  close(): Promise<void> {
    return call("DELETE", this.base);
  }

  reboot(instance: string): Promise<void> {
    return call("POST", `${this.base}/instances/${encodeURIComponent(instance)}/reboot`);
  }

  /** One more machine; the answer comes when it runs. */
  addInstance(): Promise<{ name: string }> {
    return call("POST", `${this.base}/instances`);
  }

  removeInstance(instance: string): Promise<void> {
    return call("DELETE", `${this.base}/instances/${encodeURIComponent(instance)}`);
  }

  changePort(instance: string, port: number, visibility: Visibility): Promise<PortView> {
    return call("PUT", `${this.base}/instances/${encodeURIComponent(instance)}/ports/${port}`, { visibility });
  }

  /** Where the session's events are told. */
  eventsAddress(): string {
    return `${this.base}/events`;
  }

  /** The terminals whose program still runs. */
  async terminals(): Promise<TerminalView[]> {
    const { terminals } = await call<{ terminals: TerminalView[] }>("GET", `${this.base}/terminals`);
    return terminals.filter(({ state }) => state !== "ended");
  }

  openTerminal(instance: string, size: Winsize): Promise<TerminalTicket> {
    return call("POST", `${this.base}/instances/${encodeURIComponent(instance)}/terminals`, size);
  }

  ticket(terminal: string): Promise<{ ws_url: string }> {
    return call("POST", `${this.base}/terminals/${encodeURIComponent(terminal)}/tickets`);
  }

  closeTerminal(terminal: string): Promise<void> {
    return call("DELETE", `${this.base}/terminals/${encodeURIComponent(terminal)}`);
  }
}
