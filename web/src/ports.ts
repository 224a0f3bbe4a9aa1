/** The listening ports of the session's machines: a link for each, and who may use it. */

import { announce } from "./announce";
import { Backoff } from "./backoff";
import { copy } from "./clipboard";
import { onPress, part, stamp } from "./dom";
import type { PortView, SessionApi, Visibility } from "./session_api";

/** What the server tells of one machine: all ports that listen there. */
interface PortsEvent {
  instance: string;
  ports: PortView[];
}

/** What the ports need of their page. */
export interface PortsPage {
  isOver(): boolean;
  guarded(work: () => Promise<void>): Promise<boolean>;
}

export class Ports {
  private readonly place = part("ports");
  private readonly list = part("ports-list");
  private readonly items = new Map<string, PortItem>();
  private readonly backoff = new Backoff();
  private readonly first = new Set<string>();
  private source: EventSource | undefined;

  constructor(
    private readonly api: SessionApi,
    private readonly page: PortsPage,
    private readonly hasMany: () => boolean,
  ) {}

  /** Follows the server's events until the session is over, while the page is seen: a browser has few connections. */
  start(): void {
    document.addEventListener("visibilitychange", () => this.follow());
    this.follow();
  }

  private follow(): void {
    if (document.hidden || this.page.isOver()) {
      this.source?.close();
      this.source = undefined;
    } else if (this.source === undefined || this.source.readyState === EventSource.CLOSED) {
      this.source = this.open();
    }
  }

  private open(): EventSource {
    const source = new EventSource(this.api.eventsAddress());
    source.addEventListener("ports", (event: MessageEvent<string>) => {
      this.backoff.reset();
      this.show(JSON.parse(event.data) as PortsEvent);
    });
    // The browser comes back by itself after a break, but not after a refusal.
    source.addEventListener("error", () => {
      if (this.page.isOver()) {
        source.close();
      } else if (source.readyState === EventSource.CLOSED) {
        setTimeout(() => this.follow(), this.backoff.next());
      }
    });
    return source;
  }

  private show({ instance, ports }: PortsEvent): void {
    const key = (port: number) => `${instance}:${port}`;
    const listening = new Set(ports.map(({ port }) => key(port)));
    const fresh: number[] = [];
    for (const view of ports) {
      const known = this.items.get(key(view.port));
      if (known) {
        known.update(view);
      } else {
        this.add(key(view.port), instance, view);
        fresh.push(view.port);
      }
    }
    for (const [name, item] of this.items) {
      if (name.startsWith(`${instance}:`) && !listening.has(name)) {
        item.element.remove();
        this.items.delete(name);
      }
    }
    this.place.hidden = this.items.size === 0;
    this.say(instance, fresh);
  }

  private add(key: string, instance: string, view: PortView): void {
    const item = new PortItem(instance, this.hasMany(), this.api, this.page);
    item.update(view);
    this.items.set(key, item);
    this.list.append(item.element);
  }

  /** What listened before the page was opened is no news. */
  private say(instance: string, fresh: number[]): void {
    if (this.first.has(instance) && fresh.length > 0) {
      announce(`Listening on ${instance}: ${fresh.join(", ")}.`);
    }
    this.first.add(instance);
  }
}

/** One port on the page. Its elements stay, so that focus does. */
class PortItem {
  readonly element = stamp<HTMLLIElement>("port-template");
  private readonly link = part<HTMLAnchorElement>("port-link", this.element);
  private readonly choice = part<HTMLSelectElement>("port-visibility", this.element);
  private view: PortView | undefined;

  constructor(
    private readonly instance: string,
    private readonly named: boolean,
    private readonly api: SessionApi,
    private readonly page: PortsPage,
  ) {
    onPress(part("port-copy", this.element), () => void copy(this.view?.url ?? ""));
    this.choice.addEventListener("change", () => void this.choose(this.choice.value as Visibility));
  }

  update(view: PortView): void {
    this.view = view;
    const { port, url, visibility } = view;
    this.link.href = url;
    this.link.textContent = this.named ? `${this.instance}:${port}` : String(port);
    this.link.setAttribute("aria-label", `Port ${port} of ${this.instance}, opens in a new tab`);
    part("port-copy", this.element).setAttribute("aria-label", `Copy the address of port ${port}`);
    this.choice.setAttribute("aria-label", `Who may use port ${port} of ${this.instance}`);
    this.choice.value = visibility;
    this.element.dataset.visibility = visibility;
  }

  private async choose(visibility: Visibility): Promise<void> {
    const { port = 0 } = this.view ?? {};
    const done = await this.page.guarded(async () => {
      this.update(await this.api.changePort(this.instance, port, visibility));
    });
    if (!done && this.view) {
      this.update(this.view);
    }
  }
}
