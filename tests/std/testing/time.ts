/** Stands in for @std/testing/time where its registry cannot be reached: FakeTime over @sinonjs/fake-timers. @module */

import FakeTimers from "npm:@sinonjs/fake-timers@^15";

const FAKED = ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] as const;

export class FakeTime {
  readonly start: number;
  readonly #clock: ReturnType<typeof FakeTimers.install>;
  readonly #setTimeout = globalThis.setTimeout;
  readonly #abortTimeout = AbortSignal.timeout;

  constructor(start?: number | string | Date | null) {
    this.start = start === undefined || start === null ? Date.now() : Math.floor(new Date(start).getTime());
    this.#clock = FakeTimers.install({ now: this.start, toFake: [...FAKED] });
    AbortSignal.timeout = fakeAbortTimeout;
  }

  get now(): number {
    return this.#clock.now;
  }

  set now(value: number) {
    if (value < this.now) throw new RangeError(`Cannot set the time to ${value}: it is ${this.now} already`);
    this.tick(value - this.now);
  }

  /** Waits in real time. */
  async delay(ms: number): Promise<void> {
    await new Promise((resolve) => void this.#setTimeout.call(globalThis, resolve, ms));
  }

  async runMicrotasks(): Promise<void> {
    await this.delay(0);
  }

  tick(ms = 0): void {
    this.#clock.tick(ms);
  }

  /** As in the package that this stands in for: promises settle before the time moves, not while it moves. */
  async tickAsync(ms = 0): Promise<void> {
    await this.runMicrotasks();
    this.tick(ms);
  }

  next(): boolean {
    if (this.#clock.countTimers() === 0) return false;
    this.#clock.next();
    return true;
  }

  async nextAsync(): Promise<boolean> {
    await this.runMicrotasks();
    return this.next();
  }

  restore(): void {
    this.#clock.uninstall();
    AbortSignal.timeout = this.#abortTimeout;
  }

  [Symbol.dispose](): void {
    this.restore();
  }
}

function fakeAbortTimeout(ms: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException("Signal timed out.", "TimeoutError")), ms);
  return controller.signal;
}
