/** Who serves: the primary, or the fallback while it is away; and the way back. @module */

import { type Clock, sleep } from "../../src/clock.ts";
import { BackendClosedError, BackendUnavailableError, errorText } from "../../src/errors.ts";
import type { StorageBackend, Unlisten } from "../../src/storage/backend.ts";
import { deferred } from "../../src/storage/es2024.ts";
import type { Key } from "../../src/storage/key.ts";
import { UnderWay } from "../../src/storage/under_way.ts";
import type { AbandonedWrites } from "./abandon.ts";
import type { Journal } from "./journal.ts";
import { listenLater } from "./listen_later.ts";
import { unlessAborted } from "./unless_aborted.ts";

/** Who serves at the moment. */
export type Serving = "primary" | "fallback" | "synchronising";

/** Told at each change of who serves. */
export interface FallbackChange {
  readonly serving: Serving;
  /** Since when the primary serves, or does not, in milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** Why. */
  readonly reason: string;
  /** How many writes wait to be synchronised. */
  readonly journalled: number;
}

/** What a switch works with. */
export interface SwitchParts {
  /** What the backend is called that is switched. */
  readonly name: string;
  readonly primary: StorageBackend;
  readonly fallback: StorageBackend;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly probeIntervalMs: number;
  readonly onChange: (change: FallbackChange) => void;
}

// So long, calls wait for what an earlier process left, and then fail: the fallback alone would give wrong answers.
const MAX_START_MS = 10_000;

// While so few writes wait, new calls wait with them for the switch back: it takes one short moment.
const FEW = 50;

/** Knows who serves, leaves the primary when it is told to, and comes back by itself. */
export class Switch {
  readonly #parts: SwitchParts;
  readonly #ending = new AbortController();
  readonly #underWay = new UnderWay();
  #serving: Serving = "primary";
  #sinceMs: number;
  #reason = "it has always been there";
  #isStarted = false;
  #starting: Promise<void> | null = null;
  #returning: Promise<void> | null = null;
  #looking: Promise<void> | null = null;
  /** Set while the last writes are synchronised; calls wait for it. */
  #gate: Promise<void> | null = null;

  /** The primary serves at first. */
  constructor(parts: SwitchParts) {
    this.#parts = parts;
    this.#sinceMs = parts.clock.now();
  }

  /** Who serves, since when, why, and how much waits. */
  get status(): FallbackChange {
    const { size: journalled } = this.#parts.journal;
    return { serving: this.#serving, sinceMs: this.#sinceMs, reason: this.#reason, journalled };
  }

  /** Whether the primary serves. */
  get isPrimary(): boolean {
    return this.#serving === "primary";
  }

  /** Whether calls may go out at once. */
  isReady(): boolean {
    this.requireOpen();
    return this.#isStarted && this.#gate === null;
  }

  /**
   * Makes a call, once what an earlier process left is there, and not in the moment of switching back. Both that and
   * `close` wait for it.
   */
  run<Result>(call: () => Promise<Result>): Promise<Result> {
    return this.isReady() ? this.#underWay.run(call) : this.#runLater(call);
  }

  /** Throws once it was closed. */
  requireOpen(): void {
    if (this.#ending.signal.aborted) throw new BackendClosedError(this.#parts.name);
  }

  /** The primary is away: the fallback serves from now on. */
  leavePrimary(error: Error): void {
    if (this.#serving === "primary") this.#change("fallback", error.message);
    this.#return();
  }

  /**
   * Brings over what was just written to the fallback, though the primary serves, before anybody looks for it there.
   */
  async follow(): Promise<void> {
    try {
      await this.#atTheGate(() => this.#replayAll());
      await this.#parts.journal.clean(this.#ending.signal);
    } catch {
      // It is in the journal: the probe goes on with it.
    }
    this.#return();
  }

  /**
   * Gives up what the fallback holds and the primary lacks, once the calls under way have ended, and the attempt to
   * bring it over, if there is one.
   */
  async abandon(): Promise<AbandonedWrites> {
    const { journal } = this.#parts;
    this.requireOpen();
    const complete = this.#isStarted || await this.#waitForStart().then(() => true, () => false);
    this.#isStarted = true; // nobody begins to read what is given up
    await this.#starting?.catch(() => {});
    while (this.#looking) await this.#looking;
    const abandoned = await this.#atTheGate(async () => {
      await this.#underWay.drain();
      const given = journal.abandon();
      const emptied = await journal.prepare().then(() => true, () => false);
      const writes = given.records.length + given.cleared.length + given.messages;
      this.#change(this.#serving, `what the fallback held was given up: ${writes} writes`);
      return { ...given, complete, emptied };
    });
    await this.#look();
    this.#return();
    return abandoned;
  }

  /** Listens in the background to one of both that is away, as soon as it is back. */
  listenLater(backend: StorageBackend, topic: Key, wake: () => void): Unlisten {
    const { primary, clock, probeIntervalMs } = this.#parts;
    const mayTry = () => backend !== primary || this.#serving === "primary";
    return listenLater({ backend, topic, wake, mayTry, clock, probeIntervalMs, ending: this.#ending.signal });
  }

  /** Ends the way back, and waits for the calls under way. */
  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.allSettled([this.#starting, this.#returning]);
    await this.#underWay.drain();
  }

  async #runLater<Result>(call: () => Promise<Result>): Promise<Result> {
    if (!this.#isStarted) await this.#waitForStart();
    while (this.#gate) await this.#gate;
    return await this.run(call); // the next switch back may have begun meanwhile
  }

  async #waitForStart(): Promise<void> {
    const starting = this.#starting ??= this.#start().finally(() => this.#starting = null);
    const late = new AbortController();
    const cancel = this.#parts.clock.setTimer(() => late.abort(), MAX_START_MS);
    try {
      const isStarted = await unlessAborted(starting.then(() => true), late.signal);
      if (isStarted) return;
    } finally {
      cancel();
    }
    const what = `writes of an earlier process are still on their way to the backend "${this.#parts.primary.name}"`;
    throw new BackendUnavailableError(`Cannot use the fallback: ${what}`);
  }

  /** Brings to the primary, where that answers, what an earlier process left, before anybody looks for it there. */
  async #start(): Promise<void> {
    const { journal } = this.#parts;
    await journal.load();
    if (journal.size > 0) {
      this.#change("fallback", "writes of an earlier process wait to be synchronised");
      await this.#look();
      this.#return();
    }
    this.#isStarted = true;
  }

  #change(serving: Serving, reason: string): void {
    if ((serving === "primary") !== (this.#serving === "primary")) {
      this.#parts.journal.outdate();
      this.#sinceMs = this.#parts.clock.now();
    }
    this.#serving = serving;
    this.#reason = reason;
    this.#parts.onChange(this.status);
  }

  /** Waits for the primary in the background, synchronises, and switches back. */
  #return(): void {
    if (this.#isDone()) return;
    this.#returning ??= this.#probe().finally(() => {
      this.#returning = null;
      this.#return(); // where the primary went away, or a write came to the fallback, just now
    });
  }

  /** Whether there is nothing to wait for: the primary serves and lacks nothing, or this is closed. */
  #isDone(): boolean {
    return this.#ending.signal.aborted || (this.#serving === "primary" && this.#parts.journal.isDone);
  }

  async #probe(): Promise<void> {
    const { clock, probeIntervalMs } = this.#parts;
    while (true) {
      await this.#look();
      if (this.#isDone()) return;
      await sleep(clock, probeIntervalMs, this.#ending.signal).catch(() => {});
    }
  }

  /** Synchronises and switches back if the primary answers, one attempt at a time. */
  #look(): Promise<void> {
    return this.#looking ??= this.#lookOnce().finally(() => this.#looking = null);
  }

  async #lookOnce(): Promise<void> {
    const { signal } = this.#ending;
    const { primary, fallback, journal } = this.#parts;
    try {
      const health = await unlessAborted(primary.ping(), signal);
      if (!health?.healthy) return;
      // A fallback that does not answer has no calls wait for it in vain: neither its own nor those of the primary.
      const source = journal.size > 0 ? await unlessAborted(fallback.ping(), signal) : health;
      if (source?.healthy) await this.#synchronise();
      else if (!signal.aborted) this.#tellWhatIsLost(source?.error ?? "it does not say why");
    } catch (error) {
      // Where the primary serves, it is the fallback's rest that could not be brought over: that is no reason to leave.
      if (signal.aborted || this.#serving === "primary") return;
      this.#change("fallback", `the synchronisation broke off: ${errorText(error)}`);
    }
  }

  /** The primary answers, and the fallback does not, which has what the primary lacks: tells it once. */
  #tellWhatIsLost(error: string): void {
    const { fallback } = this.#parts;
    const reason =
      `the primary backend answers, but not the fallback "${fallback.name}", which has writes for it: ${error}`;
    if (this.#serving !== "primary" && reason !== this.#reason) this.#change("fallback", reason);
  }

  /** Replays the journal and switches back. Messages that are leased from the fallback follow when they are settled. */
  async #synchronise(): Promise<void> {
    const { journal } = this.#parts;
    if (this.#serving !== "primary") await this.#switchBack();
    else {
      await this.#atTheGate(() => this.#replayAll());
      this.#primaryServes();
    }
    await journal.clean(this.#ending.signal);
    await journal.prepare();
  }

  async #switchBack(): Promise<void> {
    const { journal } = this.#parts;
    if (this.#serving === "fallback") this.#change("synchronising", "the primary backend answers again");
    if (journal.size > FEW) await journal.replay(false, this.#ending.signal);
    await this.#atTheGate(async () => {
      await this.#underWay.drain();
      await this.#replayAll();
      this.#primaryServes();
    });
  }

  /** Tells that the primary serves, and what it will never get. */
  #primaryServes(): void {
    const lost = this.#parts.journal.takeLost();
    if (lost === 0 && this.#serving === "primary") return;
    const but = ` but ${lost} records, prefixes and queues, which the fallback has lost`;
    this.#change("primary", `everything is synchronised${lost > 0 ? but : ""}`);
  }

  /** Replays the journal while calls wait, with what those bring that were under way. */
  async #replayAll(): Promise<void> {
    while (await this.#parts.journal.replay(true, this.#ending.signal));
  }

  /** Does some work while calls wait. */
  async #atTheGate<Result>(work: () => Promise<Result>): Promise<Result> {
    while (this.#gate) await this.#gate;
    const gate = deferred<void>();
    this.#gate = gate.promise;
    try {
      return await work();
    } finally {
      this.#gate = null;
      gate.resolve();
    }
  }
}
