/** Forgets the feeds of parents whose tracked records are gone, which would otherwise outlive them. @module */

import type { DenoKvEntry, DenoKvKey } from "./driver.ts";
import type { Parts } from "./parts.ts";

const FEEDS_A_SWEEP = 300;

/** The feeds of one store. */
export class Feeds {
  readonly #parts: Parts;
  /** Where the next sweep goes on. */
  #from: DenoKvKey | null = null;

  /** The feeds of the store that the parts belong to. */
  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Deletes feeds that have no change left, of some hundred at a time: deletions stay until the engine has taken them
   * away. Whoever reads such a parent begins from the start. It is called after fewer new feeds were made than it looks
   * at.
   */
  async sweep(): Promise<void> {
    const { engine, layout } = this.#parts;
    const { start, end } = layout.allFeeds();
    const feeds = await engine.page({ start: this.#from ?? start, end }, { limit: FEEDS_A_SWEEP }, engine.deadline());
    const last = feeds.at(-1);
    this.#from = last && feeds.length === FEEDS_A_SWEEP ? [...layout.sameFeed(last), 0] : null;
    while (feeds.length > 0) await this.#forget(feeds.splice(0, engine.maxChecks));
  }

  /** Deletes those that have no change, unless one of them gets one meanwhile: whoever adds it writes the feed too. */
  async #forget(feeds: readonly DenoKvEntry[]): Promise<void> {
    const { engine, layout } = this.#parts;
    const deadlineMs = engine.deadline();
    const firsts = await Promise.all(
      feeds.map((feed) => engine.page(layout.changesOf(feed), { limit: 1 }, deadlineMs)),
    );
    const empty = feeds.filter((_, index) => firsts[index]?.length === 0);
    if (empty.length === 0) return;
    await engine.tryCommit((atomic) => {
      for (const feed of empty) {
        const key = layout.sameFeed(feed);
        atomic.check({ key, versionstamp: feed.versionstamp });
        atomic.delete(key);
      }
    }, deadlineMs);
  }
}
