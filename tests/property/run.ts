/** One run of the property test: each command on a backend and on the model, and the two compared. @module */

import { assert, assertEquals } from "@std/assert";
import type { Batch, CommitResult, Entry, Lease, Operation, StorageBackend } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import type { ConformanceFixture } from "../../src/testing/case.ts";
import { type Call, QUEUES, type Requirement, type Step } from "./commands.ts";
import { compareKeys } from "./keys.ts";
import { Model } from "./model.ts";
import type { Times } from "./times.ts";

/** Thrown when a run has lost step with real time: it shows nothing, in either way. */
export class LateError extends Error {}

// Longer than any run.
const LONG_MS = 1_000_000;

/** Runs commands on a fresh backend; `looks`: whether all that can be seen is compared after each of them. */
export async function run(
  fixture: ConformanceFixture,
  times: Times,
  calls: readonly Call[],
  looks: boolean,
): Promise<void> {
  const comparison = new Comparison(fixture, times);
  try {
    await comparison.open();
    for (const call of calls) {
      await comparison.call(call);
      if (looks) await comparison.look();
    }
    await comparison.look();
  } finally {
    await comparison.close();
  }
}

class Comparison {
  readonly #fixture: ConformanceFixture;
  readonly #times: Times;
  #model = new Model();
  #handles: StorageBackend[] = [];
  #handle = 0;
  /** Every lease that there was, with the model's token, the latest last. */
  readonly #leases: Lease[] = [];
  /** By the text of a key: every version that it had, as the model calls them. */
  readonly #versions = new Map<string, string[]>();
  /** What the backend calls the versions and tokens of the model, and the other way round. */
  readonly #theirs = new Map<string, string>();
  readonly #ours = new Map<string, string>();

  constructor(fixture: ConformanceFixture, times: Times) {
    this.#fixture = fixture;
    this.#times = times;
  }

  async open(): Promise<void> {
    this.#handles = [this.#fixture.backend];
    if (this.#fixture.peer) this.#handles.push(await this.#fixture.peer());
  }

  async close(): Promise<void> {
    for (const handle of [this.#fixture.backend, ...this.#handles]) await handle.close();
    await this.#fixture.dispose?.();
  }

  /** Compares everything that can be seen. */
  async look(): Promise<void> {
    const handle = 0;
    await this.call({ type: "list", prefix: [], reverse: false, after: null, limit: Infinity, handle });
    await this.call({ type: "queues", prefix: [], handle });
    for (const queue of QUEUES) {
      await this.call({ type: "stats", queue, handle });
      for (const state of ["ready", "delayed", "leased", "dead"] as const) {
        await this.call({ type: "messages", queue, state, limit: Infinity, handle });
      }
    }
  }

  /** Makes one call on both sides. */
  async call(call: Call): Promise<void> {
    this.#handle = call.handle;
    this.#model.nowMs = this.#times.nowMs();
    switch (call.type) {
      case "commit":
        return await this.#commit(call.checks, call.steps);
      case "claim":
        return await this.#claim(call.queue, this.#times.durationMs(call.duration), call.limit);
      case "recover":
        return this.#same(
          await this.#real.recover(call.queue ?? undefined),
          this.#model.recover(call.queue ?? undefined),
        );
      case "messages": {
        const { queue, state, limit } = call;
        const messages = await Array.fromAsync(this.#real.messages(queue, state, { limit }));
        return this.#same(messages, this.#model.messages(queue, state).slice(0, limit));
      }
      case "stats":
        return this.#same(await this.#real.stats(call.queue), this.#model.stats(call.queue));
      case "queues":
        return this.#same(await Array.fromAsync(this.#real.queues(call.prefix)), this.#model.queues(call.prefix));
      case "count":
        return this.#same(await this.#real.count(call.prefix), this.#model.list(call.prefix).length);
      case "clear":
        return this.#same(await this.#real.clear(call.prefix), this.#model.clear(call.prefix));
      case "list": {
        const { prefix, reverse, after, limit } = call;
        const entries = await Array.fromAsync(this.#real.list(prefix, { reverse, limit, ...(after && { after }) }));
        const expected = reverse ? this.#model.list(prefix).reverse() : this.#model.list(prefix);
        const isBehind = (key: Key) => !after || (reverse ? compareKeys(key, after) < 0 : compareKeys(key, after) > 0);
        return this.#same(entries.map(qualifyEntry), expected.filter(({ key }) => isBehind(key)).slice(0, limit));
      }
      case "get":
        return this.#same(
          (await this.#real.get(call.keys)).map(qualifyEntry),
          call.keys.map((key) => this.#model.get(key) ?? null),
        );
      case "advance":
        return await this.#times.advance(call.ticks);
      case "reopen":
        return await this.#reopen();
    }
  }

  get #real(): StorageBackend {
    const handle = this.#handles[this.#handle % this.#handles.length];
    assert(handle);
    return handle;
  }

  async #reopen(): Promise<void> {
    const { backend, reopen } = this.#fixture;
    if (!backend.traits.durable || !reopen) return;
    for (const handle of this.#handles) await handle.close();
    this.#handles = [await this.#fixture.reopen?.() ?? backend];
    if (this.#fixture.peer) this.#handles.push(await this.#fixture.peer());
  }

  async #claim(queue: Key, leaseMs: number, limit: number): Promise<void> {
    const deliveries = await this.#real.claim(queue, { leaseMs, limit });
    const expected = this.#model.claim(queue, leaseMs, limit);
    for (const [index, { id, token }] of expected.entries()) {
      this.#leases.push({ queue, id, token });
      this.#learn(token, deliveries[index]?.token);
    }
    this.#same(deliveries, expected);
  }

  async #commit(requirements: readonly Requirement[], steps: readonly Step[]): Promise<void> {
    const checks = requirements.map(({ key, version }) => ({ key, version: this.#required(key, version) }));
    const operations = distinct(steps.map((step) => this.#operation(step)));
    const result = qualifyResult(
      operations,
      await this.#real.commit({
        checks: checks.map(({ key, version }) => ({
          key,
          version: version && unqualified(this.#theirs.get(version) ?? version),
        })),
        operations: operations.map((each) =>
          "token" in each ? { ...each, token: this.#theirs.get(each.token) ?? each.token } : each
        ),
      }),
    );
    const expected = this.#expect({ checks, operations }, result);
    if (result.committed && expected.committed) {
      for (const [index, operation] of operations.entries()) {
        const [ours, theirs] = [expected.results[index], result.results[index]];
        if (operation.type !== "set" || ours?.type !== "set" || theirs?.type !== "set") continue;
        this.#learn(ours.version, theirs.version);
        this.#versions.set(operation.key.join("/"), [
          ...this.#versions.get(operation.key.join("/")) ?? [],
          ours.version,
        ]);
      }
    }
    this.#same(result, expected);
  }

  /** An id may be forgotten once its window is over and must be after twice that: what the backend chose goes on. */
  #expect(batch: Batch, result: CommitResult): CommitResult {
    const other = Object.assign(new Model(), this.#model);
    const remembering = this.#model.commit(batch, false);
    const forgetting = other.commit(batch, true);
    if (isAlike(result, remembering) || !isAlike(result, forgetting)) return remembering;
    this.#model = other;
    return forgetting;
  }

  #required(key: Key, version: Requirement["version"]): string | null {
    if (version === "none") return null;
    if (version === "current") return this.#model.get(key)?.version ?? null;
    return this.#versions.get(key.join("/"))?.at(-2) ?? "never";
  }

  #operation(step: Step): Operation {
    const durationMs = (ticks: number) => this.#times.durationMs(ticks);
    switch (step.type) {
      case "set": {
        const { type, key, value, expires } = step;
        return { type, key, value, ...(expires !== null && { expiresInMs: durationMs(expires) }) };
      }
      case "enqueue": {
        const { delay, ...rest } = step;
        // Only one message, in one queue, ever comes to where both remembering and forgetting are right.
        const dedupeMs = step.id === "none"
          ? 0
          : step.id === "window" && step.queue === QUEUES[0]
          ? durationMs(2)
          : LONG_MS;
        return { ...rest, dedupeMs, ...(delay !== null && { delayMs: durationMs(delay) }) };
      }
      case "ack":
        return { type: step.type, ...this.#lease(step.lease) };
      case "retry": {
        const { type, lease, delay, error } = step;
        const options = { ...(delay !== null && { delayMs: durationMs(delay) }), ...(error !== null && { error }) };
        return { type, ...this.#lease(lease), ...options };
      }
      case "bury":
        return { type: step.type, ...this.#lease(step.lease), ...(step.error !== null && { error: step.error }) };
      case "extend":
        return { type: step.type, ...this.#lease(step.lease), leaseMs: durationMs(step.duration) };
      default:
        return step;
    }
  }

  /** One of the latest leases, live or not. */
  #lease(index: number): Lease {
    return this.#leases.at(-1 - index) ?? { queue: QUEUES[0], id: "window", token: "never" };
  }

  /** Notes what the backend calls a version or token, which it must not have used before. */
  #learn(ours: string, theirs: string | undefined): void {
    if (theirs === undefined) return; // it is told by the comparison that follows
    this.#assertInTime();
    assertEquals(this.#ours.get(theirs), undefined, `${theirs} was used before`);
    this.#theirs.set(ours, theirs);
    this.#ours.set(theirs, ours);
  }

  #same(real: unknown, expected: unknown): void {
    this.#assertInTime();
    assertEquals(this.#comparable(real), this.#comparable(expected));
  }

  #assertInTime(): void {
    if (this.#times.isLate()) throw new LateError();
  }

  /** With the model's names for versions and tokens, and with times only where those can be told. */
  #comparable(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#comparable(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, item]) => {
        if (name === "value") return [name, item]; // the caller's, not ours to look into
        if ((name === "version" || name === "token") && typeof item === "string") {
          return [name, this.#ours.get(item) ?? item];
        }
        if (!this.#times.isExact && /Ms$/.test(name)) return [name, typeof item];
        return [name, this.#comparable(item)];
      }),
    );
  }
}

/** A version says something together with its key alone: what one step writes may all have the same. */
function qualified(key: Key, version: string): string {
  return JSON.stringify([key, version]);
}

function unqualified(version: string): string {
  return version.startsWith("[") ? JSON.parse(version)[1] : version;
}

function qualifyEntry(entry: Entry | null): Entry | null {
  return entry && { ...entry, version: qualified(entry.key, entry.version) };
}

function qualifyResult(operations: readonly Operation[], result: CommitResult): CommitResult {
  if (!result.committed) return result;
  const results = result.results.map((each, index) => {
    const operation = operations[index];
    return each.type === "set" && operation?.type === "set"
      ? { ...each, version: qualified(operation.key, each.version) }
      : each;
  });
  return { ...result, results };
}

/** The first operation on each key and message. */
function distinct(operations: readonly Operation[]): Operation[] {
  const targets = operations.map((each) => JSON.stringify("key" in each ? [each.key] : [each.queue, each.id]));
  return operations.filter((_, index) => targets.indexOf(targets[index] ?? "") === index);
}

/** Whether two results say the same, apart from what each side calls its versions, and from times. */
function isAlike(a: CommitResult, b: CommitResult): boolean {
  const text = (result: CommitResult) =>
    JSON.stringify(
      result.committed
        ? result.results.map((each) => [each.type, "duplicate" in each && each.duplicate])
        : [result.reason, result.index],
    );
  return text(a) === text(b);
}
