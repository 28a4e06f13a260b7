/** Requests and their replies: a reply is a record with a time to live, which the one who asked collects. @module */

import type { Clock } from "../clock.ts";
import { isOutage, RequestFailedError, RequestTimeoutError } from "../errors.ts";
import { randomId } from "../ids.ts";
import type { Batch, StorageBackend, Unlisten } from "../storage/backend.ts";
import type { JsonValue } from "../storage/json.ts";
import { endListening } from "../storage/listeners.ts";
import { partsOf } from "../storage/parts.ts";
import { decodeMessage, encodeMessage, type MessageKeys } from "./envelope.ts";
import type { AgentMessage } from "./model.ts";

/** A reply that nobody collects is gone after this time. */
const REPLY_TTL_MS = 300_000;

/** While replies are awaited they are looked for this often at least: a wake-up is a hint and may be lost. */
const FLOOR_MS = 1000;

interface Pending {
  readonly recipient: string;
  readonly resolve: (reply: AgentMessage) => void;
  readonly reject: (error: unknown) => void;
}

/** The requests of one coordinator that have no reply yet. They share one listener, which lives while there are any. */
export class Requests {
  /** Where this coordinator looks for replies. */
  readonly address: string = randomId();
  readonly #backend: StorageBackend;
  readonly #keys: MessageKeys;
  readonly #clock: Clock;
  readonly #pending = new Map<string, Pending>();
  #listening: Promise<Unlisten> | null = null;
  #cancelFloor: (() => void) | null = null;
  #collecting = false;
  #missed = false;

  /** No request is pending, nothing listens. */
  constructor(backend: StorageBackend, keys: MessageKeys, clock: Clock) {
    this.#backend = backend;
    this.#keys = keys;
    this.#clock = clock;
  }

  /**
   * Calls `send` once replies are listened for, then waits for the reply to `correlationId`.
   *
   * @throws {RequestTimeoutError | RequestFailedError} Or what `send` or the signal throws.
   */
  async wait(
    correlationId: string,
    recipient: string,
    send: () => Promise<void>,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<AgentMessage> {
    signal?.throwIfAborted();
    let isOver = false;
    let cancel = () => {};
    let onAbort = () => {};
    const replied = new Promise<AgentMessage>((resolve, reject) => {
      this.#pending.set(correlationId, { recipient, resolve, reject });
      const giveUp = (reason: unknown) => {
        isOver = true;
        reject(reason);
      };
      cancel = this.#clock.setTimer(() => giveUp(new RequestTimeoutError(recipient, timeoutMs)), timeoutMs);
      onAbort = () => giveUp(signal?.reason);
      signal?.addEventListener("abort", onAbort);
    });
    const sent = this.#begin().then(() => isOver ? undefined : send());
    // Either may fail while the other is awaited; the race below tells of whichever fails first.
    for (const promise of [replied, sent]) promise.catch(() => {});
    try {
      await Promise.race([sent, replied]);
      return await replied;
    } finally {
      cancel();
      signal?.removeEventListener("abort", onAbort);
      this.#pending.delete(correlationId);
      void this.#end(); // in an outage it takes the time of a call, for which nobody has to wait
    }
  }

  async #begin(): Promise<void> {
    this.#listening ??= this.#backend.listen(this.#keys.replies(this.address), () => void this.#collect());
    this.#cancelFloor ??= this.#clock.setTimer(() => this.#onFloor(), FLOOR_MS);
    try {
      await this.#listening;
    } catch (error) {
      this.#listening = null;
      throw error;
    }
  }

  async #end(): Promise<void> {
    if (this.#pending.size > 0) return;
    this.#cancelFloor?.();
    this.#cancelFloor = null;
    const listening = this.#listening;
    this.#listening = null;
    await endListening(listening);
  }

  #onFloor(): void {
    this.#cancelFloor = this.#clock.setTimer(() => this.#onFloor(), FLOOR_MS);
    void this.#collect();
  }

  /** Fetches all replies that have come, in one read; a wake-up in the meantime makes it look once more. */
  async #collect(): Promise<void> {
    this.#missed = true;
    if (this.#collecting) return;
    this.#collecting = true;
    try {
      while (this.#missed && this.#pending.size > 0) {
        this.#missed = false;
        const keys = [...this.#pending.keys()].map((id) => this.#keys.reply(this.address, id));
        const entries = await this.#backend.get(keys);
        // deno-coverage-ignore -- the compiler asks for it: a reply has a key of several parts
        for (const entry of entries) if (entry) this.#settle(entry.key.at(-1) ?? "", entry.value);
        await this.#remove(entries.flatMap((entry) => entry ? [entry.key] : []));
      }
    } catch (error) {
      // An outage is waited out: the floor looks again. Anything else would never get better.
      if (!isOutage(error)) { for (const pending of this.#pending.values()) pending.reject(error); }
    } finally {
      this.#collecting = false;
    }
  }

  #settle(correlationId: string, value: JsonValue): void {
    const pending = this.#pending.get(correlationId);
    const message = decodeMessage(value);
    if (message) pending?.resolve(message);
    else pending?.reject(new RequestFailedError(pending.recipient, failureOf(value)));
    this.#pending.delete(correlationId);
  }

  async #remove(keys: readonly (readonly string[])[]): Promise<void> {
    for (const some of partsOf(keys, this.#backend.traits.maxBatchSize)) {
      const operations = some.map((key) => ({ type: "delete" as const, key }));
      await this.#backend.commit({ operations });
    }
  }
}

/** The batch that answers a request, with the reply itself or with the reason why there will be none. */
export function prepareAnswer(
  keys: MessageKeys,
  { replyTo, correlationId }: AgentMessage,
  answer: AgentMessage | { readonly error: string },
): Batch | null {
  if (replyTo === undefined || correlationId === undefined) return null;
  const value = "error" in answer ? { v: 1, error: answer.error } : encodeMessage(answer);
  return {
    operations: [{ type: "set", key: keys.reply(replyTo, correlationId), value, expiresInMs: REPLY_TTL_MS }],
    notify: [keys.replies(replyTo)],
  };
}

function failureOf(value: JsonValue): string {
  const isFailure = typeof value === "object" && value !== null && "error" in value && typeof value.error === "string";
  return isFailure ? String(value.error) : "the reply has an unknown format";
}
