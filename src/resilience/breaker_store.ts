/** Keeps a circuit breaker's view in step with its record in a storage backend. @module */

import { type Clock, monotonicMs } from "../clock.ts";
import { BackendCorruptError, BackendUnavailableError } from "../errors.ts";
import type { Entry, Operation, StorageBackend, Unlisten } from "../storage/backend.ts";
import type { Key } from "../storage/key.ts";
import { OPEN_TIME } from "./breaker_options.ts";
import { decodeBreaker, encodeBreaker } from "./breaker_record.ts";
import { afterRead, afterWrite, INITIAL_REPLICA, isAhead, isSameTransition, type Replica } from "./breaker_replica.ts";
import { type BreakerEvent, type BreakerState, openEndsInMs, transition } from "./breaker_state.ts";
import type { BreakerView } from "./breaker_view.ts";
import { runBounded } from "./time_limit.ts";

/** What a {@linkcode BreakerStore} works with. */
export interface BreakerStoreOptions {
  readonly backend: StorageBackend;
  /** The record, and the topic that is woken when it changes. */
  readonly key: Key;
  readonly view: BreakerView;
  /** Begins the names of all transitions that this process makes. */
  readonly author: string;
  readonly clock: Clock;
  /** How long at most to wait for one call of the backend. */
  readonly timeoutMs: number;
  /** How long at most the view may go without a look at the record while calls are made. */
  readonly pollIntervalMs: number;
  /** How long a record lasts that nobody writes or misses. */
  readonly recordTtlMs: number;
  /** Told when the store cannot be reached, and with `null` when it can again. */
  readonly onHealth: (failure: Error | null) => void;
}

// The clock costs 40 to 150 ns, as much as all the rest of a closed call. After so many calls since the last look, a
// rush, one in 16 reads it: a burst that ends may leave the view without its floor for 15 calls, which the trip rule
// guards.
const FEW_CALLS = 128;
const CALLS_PER_LOOK = 16;

// Each lost race means that another process went ahead, and a breaker has few steps to go.
const MAX_TRIES = 16;

/** Reads and writes the record by compare-and-set. Holds no timer, save while a call of the backend is under way. */
export class BreakerStore {
  readonly #options: BreakerStoreOptions;
  /** What is known of the record; the view is in `options.view`, for calls change it too. */
  #known: Omit<Replica, "view"> = INITIAL_REPLICA;
  #unlisten: Unlisten | null = null;
  /** What is under way with the store: one thing at a time, so that no answer is overtaken by another. */
  #turn: Promise<unknown> = Promise.resolve();
  /** A look that has not begun yet: it will see all that has happened until then. */
  #waitingSync: Promise<void> | null = null;
  #syncedAtMs = -Infinity;
  #callsSinceSync = 0;
  #background = new Set<Promise<void>>();
  #failure: Error | null = null;
  #closed = false;

  /** Makes a store that has not looked at the record yet. */
  constructor(options: BreakerStoreOptions) {
    this.#options = options;
  }

  /** Why the store could not be reached the last time; `null` when it could. */
  get failure(): Error | null {
    return this.#failure;
  }

  /**
   * As {@linkcode BreakerStore.poll}, for a call that needs no time for anything else: in a rush, few read the clock.
   */
  pollByCall(): void {
    if (++this.#callsSinceSync > FEW_CALLS && this.#callsSinceSync % CALLS_PER_LOOK !== 0) return;
    this.poll(monotonicMs(this.#options.clock));
  }

  /** Looks at the record in the background when the last look is too long ago. */
  poll(nowMs: number): void {
    const elapsedMs = nowMs - this.#syncedAtMs;
    // Below zero: the clock was set back, as one without a monotonic reading may be.
    if (elapsedMs >= this.#options.pollIntervalMs || elapsedMs < 0) void this.syncInBackground();
  }

  /** Brings view and record together, also where nobody waits for it; what fails is told to `onHealth` alone. */
  syncInBackground(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const running: Promise<void> = this.sync().catch(() => {}).finally(() => this.#background.delete(running));
    this.#background.add(running);
    return running;
  }

  /**
   * Brings view and record together: the later state wins, at the same generation the stored one. A look that is asked
   * for while something is under way follows it, once for all who ask.
   *
   * @throws When the store cannot be reached.
   */
  sync(): Promise<void> {
    if (this.#waitingSync) return this.#waitingSync;
    const sync = this.#inTurn(async () => {
      this.#waitingSync = null;
      this.#syncedAtMs = monotonicMs(this.#options.clock);
      this.#callsSinceSync = 0;
      // To listen comes first, or a change between the two would go unnoticed.
      const failure: unknown = await this.#listen().then(() => null, (error) => error);
      await this.#exchange();
      if (failure !== null) throw failure;
    });
    this.#waitingSync = sync;
    return sync;
  }

  /**
   * Applies an event to the record. The view follows. Does nothing when the event has nothing to change. Begins no
   * further call once `signal` is aborted.
   *
   * @throws When the store cannot be reached, or others were faster too often. It may have happened all the same.
   */
  apply(event: BreakerEvent, signal: AbortSignal): Promise<void> {
    const { view, clock } = this.#options;
    return this.#inTurn(async () => {
      // First from what is known: when that is out of date, the write is refused, and the record is read.
      let isFresh = false;
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        signal.throwIfAborted();
        if (!isFresh && (tries > 0 || view.state.generation !== this.#known.stored.generation)) {
          await this.#read();
          isFresh = true;
          signal.throwIfAborted();
        }
        const next = transition(view.state, event, monotonicMs(clock));
        if (next === view.state && isFresh) return;
        if (next !== view.state && await this.#write(next)) return;
        isFresh = false;
      }
      throw tooManyTries();
    });
  }

  /** Ends the listening and waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    const unlisten = this.#unlisten;
    this.#unlisten = null;
    await unlisten?.().catch(() => {});
    while (this.#background.size > 0) await Promise.all(this.#background);
    await this.#turn;
  }

  async #listen(): Promise<void> {
    if (this.#unlisten || this.#closed) return;
    const { backend, key } = this.#options;
    const unlisten = await this.#call(() => backend.listen(key, () => void this.syncInBackground()));
    if (this.#closed || this.#unlisten) await unlisten();
    else this.#unlisten = unlisten;
  }

  /** Reads, and writes where this process is ahead or the record has gone though it is in use. */
  async #exchange(): Promise<void> {
    const { view } = this.#options;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const stored = await this.#read();
      if (!isAhead(this.#replica, stored) || await this.#write(view.state)) return;
    }
    throw tooManyTries();
  }

  async #read(): Promise<BreakerState | null> {
    const { backend, key, view, clock, author } = this.#options;
    const [entry = null, openTime = null] = await this.#call(() =>
      backend.get(this.#usesEngineClock() ? [key, this.#openTimeKey()] : [key])
    );
    const nowMs = monotonicMs(clock);
    const stored = entry && this.#decode(entry, nowMs);
    const replica = afterRead(this.#replica, stored, entry?.version ?? null);
    const isStored = stored !== null && isSameTransition(replica.view, stored);
    this.#known = replica;
    view.enter(isStored && openTime === null && this.#usesEngineClock() ? ended(replica.view, nowMs) : replica.view);
    if (isStored) view.tell(stored.by.startsWith(author) ? "here" : "elsewhere");
    return stored;
  }

  get #replica(): Replica {
    return { ...this.#known, view: this.#options.view.state };
  }

  #decode({ value, key }: Entry, nowMs: number): BreakerState {
    const stored = decodeBreaker(value, nowMs);
    if (stored) return stored;
    throw new BackendCorruptError(`Cannot read the breaker's record ${JSON.stringify(key)}: its format is unknown`);
  }

  /** Writes over the version that was seen; `false` when that is no longer there. */
  async #write(next: BreakerState): Promise<boolean> {
    const { backend, key, view, recordTtlMs } = this.#options;
    const openForMs = next.kind === "open" ? next.openForMs : 0;
    const operations: Operation[] = [
      { type: "set", key, value: encodeBreaker(next), expiresInMs: recordTtlMs + openForMs },
    ];
    if (openForMs > 0 && this.#usesEngineClock()) {
      operations.push({ type: "set", key: this.#openTimeKey(), value: next.generation, expiresInMs: openForMs });
    }
    const checks = [{ key, version: this.#known.version }];
    const result = await this.#call(() => backend.commit({ checks, operations, notify: [key] }));
    if (!result.committed) return false;
    const [written] = result.results;
    // deno-coverage-ignore -- the compiler asks for it: the first operation is the set
    const version = written?.type === "set" ? written.version : "";
    const replica = afterWrite(this.#replica, next, version);
    this.#known = replica;
    view.enter(replica.view);
    if (isSameTransition(view.state, next)) view.tell("here");
    return true;
  }

  /** Beside an open record, where the engine has a clock: this one is gone when the open time is over by that clock. */
  #openTimeKey(): Key {
    return [...this.#options.key, OPEN_TIME];
  }

  #usesEngineClock(): boolean {
    return this.#options.backend.traits.clock === "engine";
  }

  #call<Result>(call: () => Promise<Result>): Promise<Result> {
    const { clock, timeoutMs } = this.#options;
    return runBounded(call, { clock, limitMs: timeoutMs, what: "a call of the breaker's store" });
  }

  /** Does one thing after the other, and keeps the health of the store. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const { view, onHealth } = this.#options;
    const done = this.#turn.then(async () => {
      try {
        await work();
        if (this.#failure === null) return;
        this.#failure = null;
        onHealth(null);
      } catch (error) {
        view.tell("alone");
        const isFirst = this.#failure === null;
        this.#failure = error instanceof Error
          ? error
          : new BackendUnavailableError("Cannot reach the store", { cause: error });
        if (isFirst) onHealth(this.#failure);
        throw error;
      }
    });
    this.#turn = done.catch(() => {});
    return done;
  }
}

/** The state of which the engine says that its open time is over, whenever this process has learned of it. */
function ended(state: BreakerState, nowMs: number): BreakerState {
  if (state.kind !== "open" || openEndsInMs(state, nowMs) <= 0) return state;
  return { ...state, sinceMs: nowMs - state.openForMs };
}

function tooManyTries(): Error {
  return new BackendUnavailableError(`Cannot write the breaker's record: ${MAX_TRIES} tries met another process's`);
}
