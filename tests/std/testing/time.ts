/** Stands in for @std/testing/time where its registry cannot be reached: FakeTime over @sinonjs/fake-timers. @module */

import FakeTimers from "@sinonjs/fake-timers";

export interface FakeTimeOptions {
  advanceRate?: number;
  advanceFrequency?: number;
}

export class FakeTime {
  #clock: ReturnType<typeof FakeTimers.install>;

  constructor(start?: number | string | Date | null, _options?: FakeTimeOptions) {
    const now = start === undefined || start === null ? Date.now() : new Date(start).getTime();
    this.#clock = FakeTimers.install({
      now,
      toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"],
    });
  }

  get now(): number {
    return this.#clock.now;
  }

  tick(ms = 0): void {
    this.#clock.tick(ms);
  }

  async tickAsync(ms = 0): Promise<void> {
    await this.#clock.tickAsync(ms);
  }

  async runMicrotasks(): Promise<void> {
    await this.#clock.tickAsync(0);
  }

  restore(): void {
    this.#clock.uninstall();
  }

  [Symbol.dispose](): void {
    this.restore();
  }
}
