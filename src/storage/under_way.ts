/** The calls under way, for whoever must not end before them. @module */

/** Counts calls, and tells when none is left. */
export class UnderWay {
  #count = 0;
  #idle: (() => void)[] = [];

  /** Makes a call that `drain` waits for. */
  async run<Result>(call: () => Promise<Result>): Promise<Result> {
    this.#count++;
    try {
      return await call();
    } finally {
      if (--this.#count === 0) { for (const resolve of this.#idle.splice(0)) resolve(); }
    }
  }

  /** Resolves once no call is under way, with those that begin meanwhile; never rejects. */
  drain(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }
}
