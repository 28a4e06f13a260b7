/** Asks the caller's embedder, trusting it with nothing: it may throw, answer wrongly or never. @module */

import { requireNumber, typeName } from "../check.ts";
import { type Clock, sleep } from "../clock.ts";
import { CoordinationError, errorText } from "../errors.ts";
import type { Embedder } from "./model.ts";
import { toUnitVector } from "./vectors.ts";

/** An embedder with a time limit, whose vectors are checked and made of length 1. */
export class CheckedEmbedder {
  /** The length of the vectors. */
  readonly dimensions: number;
  readonly #embedder: Embedder;
  readonly #timeoutMs: number;
  readonly #clock: Clock;

  /**
   * Checks an embedder.
   *
   * @throws {TypeError | RangeError} When it is none.
   */
  constructor(embedder: Embedder, timeoutMs: number, clock: Clock) {
    if (typeof embedder?.embed !== "function") {
      throw new TypeError(`Cannot use embedder: it must have a method embed, got ${typeName(embedder)}`);
    }
    this.dimensions = requireNumber("embedder.dimensions", embedder.dimensions, { min: 1, max: 65_536, integer: true });
    this.#embedder = embedder;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
  }

  /**
   * One vector for each text.
   *
   * @throws {CoordinationError} `EMBEDDING_FAILED`, with what the embedder did as its cause.
   */
  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    if (texts.length === 0) return [];
    const ended = new AbortController();
    try {
      const limit = sleep(this.#clock, this.#timeoutMs, ended.signal).then(() => {
        throw new Error(`it did not answer within ${this.#timeoutMs} ms`);
      });
      limit.catch(() => {}); // the embedder was faster
      const asked = (async () => await this.#embedder.embed(texts, ended.signal))();
      asked.catch(() => {}); // it may fail when nobody waits any more
      const vectors = await Promise.race([asked, limit]);
      if (!Array.isArray(vectors) || vectors.length !== texts.length) {
        throw new TypeError(
          `it must give ${texts.length} vectors, got ${Array.isArray(vectors) ? vectors.length : typeName(vectors)}`,
        );
      }
      return vectors.map((vector) => toUnitVector(vector, this.dimensions));
    } catch (cause) {
      const why = errorText(cause);
      throw new CoordinationError("EMBEDDING_FAILED", `Cannot embed the text: ${why}`, { cause });
    } finally {
      ended.abort();
    }
  }
}
