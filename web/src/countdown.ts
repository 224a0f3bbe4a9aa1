/** The time a session has left, counted here between the server's words on it, by the server's clock. */

import { announce } from "./announce";
import { spoken, written } from "./duration";

const WARN_SECONDS = 300;

export class Countdown {
  private deadline: number;
  private expiresAt: string;

  constructor(
    private readonly face: HTMLElement,
    expiresAt: string,
    secondsLeft: number,
  ) {
    this.expiresAt = expiresAt;
    this.deadline = Date.now() + secondsLeft * 1000;
    setInterval(() => this.draw(), 1000);
    this.draw();
  }

  /** The server says how much is left. */
  set(expiresAt: string, secondsLeft: number, warning: boolean): void {
    this.expiresAt = expiresAt;
    this.deadline = Date.now() + secondsLeft * 1000;
    this.draw();
    if (warning) {
      announce(`This session ends in ${spoken(secondsLeft)}. Extend it to go on.`);
    }
  }

  /** The end has moved: counts on by the difference, so that a wrong clock here does no harm. */
  moveTo(expiresAt: string): void {
    this.deadline += Date.parse(expiresAt) - Date.parse(this.expiresAt);
    this.expiresAt = expiresAt;
    this.draw();
  }

  get secondsLeft(): number {
    return Math.max(0, Math.round((this.deadline - Date.now()) / 1000));
  }

  private draw(): void {
    const seconds = this.secondsLeft;
    this.face.textContent = written(seconds);
    this.face.setAttribute("aria-label", `${spoken(seconds)} left`);
    this.face.classList.toggle("is-short", seconds <= WARN_SECONDS);
  }
}
