/** The landing page: starts a session from a card or from the address, and shows how images come along. */

import { playgrounds, Refusal, startSession } from "./api";
import type { Playground } from "./api";
import { announce, hush } from "./announce";
import { onPress, part, parts } from "./dom";

const POLL_MS = 2000;

class LandingPage {
  /** The playground to start as soon as its image is there. Set by a press or by the address. */
  private wanted: string | undefined;
  private starting = false;

  start(): void {
    parts("start").forEach((button) => onPress(button, () => this.want(button.dataset.start ?? "")));
    window.addEventListener("pageshow", (event) => event.persisted && this.idle());
    const { wanted } = document.body.dataset;
    if (wanted) {
      this.want(wanted);
    }
    void this.poll();
  }

  /** Starts `name` now or as soon as it is ready; an empty one leaves the choice to the service. */
  private want(name: string): void {
    const card = cardOf(name);
    this.wanted = name;
    if (!card || card.dataset.state === "ready") {
      void this.go(name);
    } else if (card.dataset.state === "missing") {
      this.wanted = undefined;
      announce("The image of this playground is not here. The operator of this service can make it.", true);
    } else {
      announce("Its image is being made. It starts by itself as soon as that is done.", true);
      this.show();
    }
  }

  private async go(name: string): Promise<void> {
    if (this.starting) {
      return;
    }
    this.starting = true;
    this.show();
    announce("Starting.", true);
    try {
      const session = await startSession(name === "" ? undefined : name);
      location.assign(new URL(session.url, location.href).pathname + testFlag());
    } catch (error) {
      this.failed(error);
    }
  }

  private failed(error: unknown): void {
    this.idle();
    announce(error instanceof Refusal ? error.message : "Something went wrong. Try again.", true);
  }

  private idle(): void {
    this.starting = false;
    this.wanted = undefined;
    hush();
    this.show();
  }

  /** While an image is being made, asks how far it is. */
  private async poll(): Promise<void> {
    if (cards().some((card) => card.dataset.state === "making")) {
      await playgrounds().then((all) => all.forEach((each) => this.update(each)), () => undefined);
    }
    setTimeout(() => void this.poll(), POLL_MS);
  }

  private update(playground: Playground): void {
    const card = cardOf(playground.name);
    if (!card) {
      return;
    }
    card.dataset.state = playground.state;
    part("progress-text", card).textContent = playground.progress ?? "";
    if (playground.state === "ready" && this.wanted === playground.name) {
      void this.go(playground.name);
    }
    this.show();
  }

  /** Writes on each button what pressing it does now. */
  private show(): void {
    for (const card of cards()) {
      const button = part<HTMLButtonElement>("start", card);
      const mine = this.wanted === card.dataset.playground;
      button.disabled = this.starting || card.dataset.state === "missing";
      part("start-label", card).textContent = label(card.dataset.state, mine, this.starting);
    }
  }
}

function label(state: string | undefined, mine: boolean, starting: boolean): string {
  if (mine) {
    return starting ? "Starting" : "Starts when ready";
  }
  return state === "ready" ? "Start" : state === "making" ? "Start when ready" : "Not available";
}

function cards(): HTMLElement[] {
  return parts("playground");
}

function cardOf(name: string): HTMLElement | undefined {
  return cards().find((card) => card.dataset.playground === name);
}

/** Browser tests keep their flag on the way from page to page. */
function testFlag(): string {
  return new URLSearchParams(location.search).get("test") === "1" ? "?test=1" : "";
}

/** Starts the landing page. */
export function startLandingPage(): void {
  new LandingPage().start();
}
