/** A backend that becomes a black hole: no call gets an answer, and each fails when its time is over. @module */

import { BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import type { ManualClock } from "../../src/testing/manual_clock.ts";

/** How long a call takes that gets no answer. */
export const LIMIT_MS = 5000;

const CALLS = ["get", "count", "clear", "changes", "commit", "claim", "recover", "stats", "listen"];
const LISTINGS = ["list", "messages", "queues"];
/** Of which nobody knows whether they have happened. */
const WRITES = ["clear", "commit", "claim"];

/** A backend that answers until it is told otherwise. */
export class BlackHole {
  /** What is to be tested with. */
  readonly backend: StorageBackend;
  readonly #clock: ManualClock;
  readonly #held = new Set<() => void>();
  #isOpen = false;

  /** Stands before a backend. */
  constructor(inner: StorageBackend, clock: ManualClock) {
    this.#clock = clock;
    const hold = <Result>(name: string, call: () => Promise<Result>) => this.#hold(name, call);
    this.backend = new Proxy(inner, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (name === "traits") return { ...inner.traits, wakeWithinMs: 1000 }; // as where the engine is elsewhere
        if (typeof member !== "function") return member;
        if (CALLS.includes(String(name))) {
          return (...given: unknown[]) => hold(String(name), () => member.apply(target, given));
        }
        if (!LISTINGS.includes(String(name))) return member.bind(target);
        return async function* (...given: unknown[]) {
          await hold(String(name), () => Promise.resolve());
          yield* member.apply(target, given);
        };
      },
    });
  }

  /** From now on, no call gets an answer. */
  open(): void {
    this.#isOpen = true;
  }

  /** The engine goes on, with what it was asked meanwhile and whose time is not over. */
  close(): void {
    this.#isOpen = false;
    for (const goOn of this.#held) goOn();
    this.#held.clear();
  }

  #hold<Result>(name: string, call: () => Promise<Result>): Promise<Result> {
    if (!this.#isOpen) return call();
    return new Promise((resolve, reject) => {
      const goOn = () => {
        cancel();
        call().then(resolve, reject);
      };
      const cancel = this.#clock.setTimer(() => {
        this.#held.delete(goOn);
        const Fault = WRITES.includes(name) ? OutcomeUnknownError : BackendUnavailableError;
        reject(new Fault(`no answer to ${name}`));
      }, LIMIT_MS);
      this.#held.add(goOn);
    });
  }
}
