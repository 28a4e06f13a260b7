/** Deno KV with time limits: every operation ends in time, and its error says what became of it. @module */

import { monotonicMs, sleep, systemClock } from "../../src/clock.ts";
import {
  BackendCorruptError,
  BackendUnavailableError,
  CoordinationError,
  errorText,
  OutcomeUnknownError,
} from "../../src/errors.ts";
import { collect } from "../../src/storage/es2024.ts";
import { UnderWay } from "../../src/storage/under_way.ts";
import {
  type DenoKv,
  type DenoKvAtomic,
  type DenoKvEntry,
  type DenoKvEntryMaybe,
  type DenoKvKey,
  FEWEST_CHECKS,
  MAX_CHECKS,
  MAX_PAGE,
  MAX_READ_KEYS,
} from "./driver.ts";
import type { Range } from "./layout.ts";

/** The engine refused an atomic operation because it is larger than it takes. Nothing happened. */
export class AtomicTooLargeError extends Error {}

/** How to read a page of a range. */
export interface PageOptions {
  /** At most so many entries, and never more than the engine gives at once. */
  readonly limit: number;
  /** From the last to the first. */
  readonly reverse?: boolean;
}

// A lock is held for a few milliseconds; the pauses double up to this.
const MAX_PAUSE_MS = 32;

/** How an engine is made. */
export interface EngineOptions {
  /** Opens the client. One that fails is tried again by the next call. */
  readonly open: () => Promise<DenoKv>;
  /** Whether `close` closes the client. */
  readonly owned: boolean;
  /** How long a call may take. */
  readonly timeoutMs: number;
  /** What calls throw after `close`. */
  readonly closedError: () => Error;
}

/**
 * Reads and commits on a client that is opened by the first of them. Deadlines are times of the system's clock,
 * whatever clock the backend was given: engines take real time.
 */
export class Engine {
  readonly #options: EngineOptions;
  #kv: DenoKv | null = null;
  #opening: Promise<DenoKv> | null = null;
  #closed = false;
  // Without Deno, the client is likely to be npm:@deno/kv; any other is found out at its first refusal.
  #maxChecks = "Deno" in globalThis ? MAX_CHECKS : FEWEST_CHECKS;
  readonly #underWay = new UnderWay();

  /** Makes an engine. */
  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** The most checks in one atomic operation: fewer once the client has refused so many. */
  get maxChecks(): number {
    return this.#maxChecks;
  }

  /** When a call that begins now has to end. */
  deadline(): number {
    return monotonicMs(systemClock) + this.#options.timeoutMs;
  }

  /** The client, opened when it is not. */
  async opened(deadlineMs: number): Promise<DenoKv> {
    if (this.#closed) throw this.#options.closedError();
    if (this.#kv) return this.#kv;
    this.#opening ??= this.#open(deadlineMs);
    try {
      return await this.#within(this.#opening, deadlineMs);
    } catch (error) {
      throw unavailable("open", error);
    }
  }

  /** Entries by their keys, in the same order. */
  async read(keys: readonly DenoKvKey[], deadlineMs: number): Promise<DenoKvEntryMaybe[]> {
    const kv = await this.opened(deadlineMs);
    const chunks: Promise<readonly DenoKvEntryMaybe[]>[] = [];
    try {
      for (let index = 0; index < keys.length; index += MAX_READ_KEYS) {
        chunks.push(kv.getMany(keys.slice(index, index + MAX_READ_KEYS)));
      }
      return (await this.#within(Promise.all(chunks), deadlineMs)).flat();
    } catch (error) {
      throw unavailable("read from", error);
    }
  }

  /** One page of a range. */
  async page(range: Range, { limit, reverse = false }: PageOptions, deadlineMs: number): Promise<DenoKvEntry[]> {
    const kv = await this.opened(deadlineMs);
    const size = Math.min(limit, MAX_PAGE);
    try {
      const entries = kv.list({ start: range.start, end: range.end }, { limit: size, batchSize: size, reverse });
      return await this.#within(collect(entries), deadlineMs);
    } catch (error) {
      throw unavailable("read from", error);
    }
  }

  /**
   * Commits one atomic operation, and gives its versionstamp, or `null` when a check did not hold. A locked database,
   * where nothing happened, is tried again until the deadline.
   *
   * @throws {BackendUnavailableError} When it did not happen.
   * @throws {OutcomeUnknownError} When it may have happened.
   * @throws {AtomicTooLargeError}
   */
  async commit(build: (atomic: DenoKvAtomic) => void, deadlineMs: number): Promise<string | null> {
    const kv = await this.opened(deadlineMs);
    let reason: unknown = new Error("there is no time left");
    for (let attempt = 0;; attempt++) {
      if (monotonicMs(systemClock) >= deadlineMs) throw unavailable("commit to", reason);
      try {
        const atomic = kv.atomic();
        build(atomic);
        const { ok, versionstamp } = await this.#within(atomic.commit(), deadlineMs);
        return ok && versionstamp !== undefined ? versionstamp : null;
      } catch (error) {
        if (/too ?many ?checks/i.test(messageOf(error))) this.#maxChecks = FEWEST_CHECKS;
        if (!isLocked(error)) throw commitError(error);
        reason = error;
        await this.pause(attempt, deadlineMs, error);
      }
    }
  }

  /** The same, and `null` also when it had more checks than are taken now: worth another try with fewer. */
  async tryCommit(build: (atomic: DenoKvAtomic) => void, deadlineMs: number): Promise<string | null> {
    const { maxChecks } = this;
    try {
      return await this.commit(build, deadlineMs);
    } catch (error) {
      if (error instanceof AtomicTooLargeError && this.#maxChecks < maxChecks) return null;
      throw error;
    }
  }

  /**
   * Waits a little, at random, before another attempt.
   *
   * @throws {BackendUnavailableError} When there is no time left for one.
   */
  async pause(attempt: number, deadlineMs: number, cause?: unknown): Promise<void> {
    const pauseMs = 1 + Math.random() * Math.min(2 ** attempt, MAX_PAUSE_MS);
    if (monotonicMs(systemClock) + pauseMs > deadlineMs) {
      throw unavailable("commit to", cause ?? new Error("other processes kept changing the same entries"));
    }
    await sleep(systemClock, pauseMs);
  }

  /** Waits for the operations under way, and closes the client if it is this backend's own. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#underWay.drain();
    if (!this.#options.owned) return;
    // One that never opens has nothing to close; one that opens late is closed then.
    const closing = this.#opening?.then((kv) => kv.close()).catch(() => {});
    if (closing) await this.#within(closing, this.deadline()).catch(() => {});
  }

  async #open(deadlineMs: number): Promise<DenoKv> {
    for (let attempt = 0;; attempt++) {
      try {
        return this.#kv = await this.#options.open();
      } catch (error) {
        if (isLocked(error) && monotonicMs(systemClock) < deadlineMs) {
          await this.pause(attempt, deadlineMs, error);
          continue;
        }
        this.#opening = null;
        throw error;
      }
    }
  }

  /** What the operation comes to, or an error at the deadline; the operation itself cannot be called back. */
  async #within<Result>(operation: Promise<Result>, deadlineMs: number): Promise<Result> {
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = systemClock.setTimer(
        () => reject(new Error(`it gave no answer within ${this.#options.timeoutMs} ms`)),
        deadlineMs - monotonicMs(systemClock),
      );
    });
    try {
      return await this.#underWay.run(() => Promise.race([operation, late]));
    } finally {
      cancel();
    }
  }
}

/** The first line of an error's message; `npm:@deno/kv` puts a stack behind it. */
function messageOf(error: unknown): string {
  return errorText(error).split("\n", 1)[0] ?? "";
}

/** Another process holds the lock of the file: the commit failed at once, and did not happen. */
function isLocked(error: unknown): boolean {
  return /database (table )?is locked/i.test(messageOf(error));
}

function commitError(error: unknown): Error {
  const cause = withoutSecrets(error);
  const message = messageOf(cause);
  if (/too ?(large|many)/i.test(message)) return new AtomicTooLargeError(message, { cause });
  // A client that is closed says so before it sends anything.
  if (/bad resource|after .*close/i.test(message)) return unavailable("commit to", cause);
  return new OutcomeUnknownError(`Cannot tell whether Deno KV committed: ${message}`, { cause });
}

function unavailable(attempt: "open" | "read from" | "commit to", error: unknown): Error {
  if (error instanceof CoordinationError) return error;
  const cause = withoutSecrets(error);
  const message = `Cannot ${attempt} Deno KV: ${messageOf(cause)}`;
  const isDamaged = /not a database|malformed|corrupt/i.test(message);
  return isDamaged ? new BackendCorruptError(message, { cause }) : new BackendUnavailableError(message, { cause });
}

/**
 * The error, or a copy where its text has an address with a password or a query: clients repeat what they were given.
 */
function withoutSecrets(error: unknown): unknown {
  const text = errorText(error);
  const safe = text.replace(/(\w:\/\/)[^\s/]*@/g, "$1").replace(/(\w:\/\/[^\s?'")]*)\?[^\s'")]*/g, "$1");
  return safe === text ? error : new Error(safe);
}
