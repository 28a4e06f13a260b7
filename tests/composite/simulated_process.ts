/** A process of a simulated world, which uses a fallback until it is killed. @module */

import { assert } from "@std/assert";
import { FallbackBackend } from "../../backends/composite/fallback.ts";
import { sleep } from "../../src/clock.ts";
import { BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import type { Batch, StorageBackend } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import type { ManualClock } from "../../src/testing/manual_clock.ts";
import { lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { put } from "./flaky_backend.ts";
import type { Ledger, Write } from "./ledger.ts";

const WRITERS = 8;
const RECORDS = 55; // as many as do not go to a fallback in one batch with their marks

/** What the processes of a world have in common. */
export interface SimulatedWorld {
  readonly seed: number;
  /** Whole numbers from 0 to below `limit`, the same ones for a seed. */
  readonly random: (limit: number) => number;
  readonly clock: ManualClock;
  readonly primary: StorageBackend;
  readonly fallback: StorageBackend;
  readonly ledger: Ledger;
  /** Numbers what is written. */
  readonly next: () => number;
}

/** A backend, and those who work with it until the process is killed. */
export class SimulatedProcess {
  readonly #world: SimulatedWorld;
  readonly #backend: FallbackBackend;
  readonly #killed: Promise<never>;
  readonly #working: readonly Promise<void>[];
  #kill = () => {};
  #isKilled = false;
  #changes = 0;
  #hasLost = false;

  /** Begins to work. */
  constructor(world: SimulatedWorld) {
    this.#world = world;
    this.#killed = new Promise<never>((_, reject) => this.#kill = () => reject(new Killed()));
    this.#killed.catch(() => {});
    const { random, clock, primary, fallback } = world;
    const own = (store: StorageBackend) => slow(store, random, clock, () => this.#isKilled);
    const options = { fallback: own(fallback), queues: true };
    this.#backend = new FallbackBackend(own(primary), options, clock, ({ reason }) => {
      this.#hasLost ||= reason.includes("the fallback has lost");
      void this.#onChange();
    });
    this.#working = Array.from({ length: WRITERS }, (_, writer) => this.#work(writer).catch(ignoreKilled));
  }

  /** Whether it was killed. */
  get isKilled(): boolean {
    return this.#isKilled;
  }

  /** Kills it, and waits until nobody works any more. */
  async end(): Promise<void> {
    this.#end();
    await Promise.all(this.#working);
    assert(!this.#hasLost, "it is told that the fallback has lost what it has not");
  }

  #end(): void {
    this.#isKilled = true;
    this.#kill();
  }

  /** Now and then it is killed in the midst of what a change of serving sets off. */
  async #onChange(): Promise<void> {
    const { random } = this.#world;
    this.#changes++;
    if (random(12) > 0) return;
    for (let left = random(120); left > 0; left--) await Promise.resolve();
    this.#end();
  }

  #call<Result>(result: Promise<Result>): Promise<Result> {
    return Promise.race([result, this.#killed]);
  }

  #commit(batch: Batch): Promise<boolean | null> {
    return outcomeOf(this.#call(this.#backend.commit(batch)).then(({ committed }) => committed));
  }

  /** It goes in several steps, so that one that fails may have cleared some of it. */
  async #clear(prefix: Key): Promise<boolean | null> {
    return await outcomeOf(this.#call(this.#backend.clear(prefix)).then(() => true)) || null;
  }

  async #work(writer: number): Promise<void> {
    const { random, ledger, next } = this.#world;
    while (!this.#isKilled) {
      await this.#call(Promise.resolve());
      const n = next();
      const kind = random(8);
      if (kind === 0) {
        const name = `shared ${random(RECORDS)}`;
        const both = await Promise.all([this.#commit(put([name], `${n}`)), this.#commit(put([name], `${n}`))]);
        if (both.includes(true)) ledger.shared.add(name);
      } else if (kind === 1) {
        const operations = [message(`m${n}`, { delayMs: random(3) * 100, maxAttempts: 100 })];
        if (await this.#commit({ operations })) ledger.sent.add(`m${n}`);
      } else if (kind === 2) {
        const deliveries = await this.#call(this.#backend.claim(QUEUE, { leaseMs: 2000, limit: 2 })).catch(() => []);
        for (const delivery of deliveries) {
          const operations = [{ type: "ack", ...lease(delivery) } as const, record(["done", delivery.id], n)];
          ledger.noteHandled(delivery.id, await this.#commit({ operations }));
        }
      } else {
        const isClear = kind === 3 && random(4) === 0;
        const writes = this.#writesOf(writer, isClear, kind === 4, n);
        const operations = writes.map(({ fate: { key }, value }) =>
          value === 0 ? { type: "delete", key } as const : record(key, value)
        );
        const changesBefore = this.#changes;
        const done = await (isClear ? this.#clear([`${writer}`]) : this.#commit({ operations }));
        ledger.note(writes, done, isClear);
        if (done) await this.#look(writes, changesBefore);
      }
    }
  }

  /** What a writer does to its own records: all are cleared, or some are written or deleted, many together or one. */
  #writesOf(writer: number, isClear: boolean, isMany: boolean, n: number): Write[] {
    const { random, ledger } = this.#world;
    const first = random(RECORDS);
    const count = isClear ? RECORDS : isMany ? RECORDS - first : 1;
    const isGone = isClear || random(4) === 0;
    return Array.from({ length: count }, (_, index) => {
      const fate = ledger.fateOf([`${writer}`, `${(isClear ? 0 : first) + index}`]);
      const value = isGone || (isMany && random(2) === 0) ? 0 : n;
      const before = [fate.sure, ...fate.maybe];
      fate.maybe.push(value); // until it is known
      return { fate, before, value };
    });
  }

  /** Whoever wrote something finds it where the primary serves, or the same as has served all along. */
  async #look(writes: readonly Write[], changesBefore: number): Promise<void> {
    const { seed, random } = this.#world;
    const { serving } = this.#backend.status;
    const changesNow = this.#changes;
    const { fate: { key } = { key: [] }, value } = writes[random(writes.length)] ?? {};
    const found = await this.#call(this.#backend.get([key])).catch(ignoreOutages);
    if (!found || this.#changes !== changesNow || (serving !== "primary" && this.#changes !== changesBefore)) return;
    assert(Number(found[0]?.value ?? 0) === value, `seed ${seed}: ${key} is not ${value} for its writer`);
  }
}

/** What is thrown into a process that was killed. */
class Killed extends Error {}

/** A backend whose calls take a while before and after they happen, and none of which ends once its process is killed. */
function slow(
  backend: StorageBackend,
  random: (limit: number) => number,
  clock: ManualClock,
  isKilled: () => boolean,
): StorageBackend {
  const turns = async () => {
    for (let left = random(6); left > 0; left--) await Promise.resolve();
    if (random(200) === 0) await sleep(clock, random(500));
    if (isKilled()) await new Promise(() => {});
  };
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name === "close") return () => Promise.resolve(); // it outlives its processes
      const method = value.bind(target);
      if (name === "list" || name === "messages" || name === "queues") return method;
      return async (...given: unknown[]) => {
        await turns();
        const result = await method(...given);
        await turns();
        return result;
      };
    },
  });
}

/** Whether something has happened; `null` when nobody knows. */
async function outcomeOf(happening: Promise<boolean>): Promise<boolean | null> {
  try {
    return await happening;
  } catch (error) {
    if (error instanceof BackendUnavailableError) return false;
    if (error instanceof OutcomeUnknownError || error instanceof Killed) return null;
    throw error;
  }
}

function ignoreOutages(error: unknown): null {
  if (error instanceof BackendUnavailableError) return null;
  throw error;
}

function ignoreKilled(error: unknown): void {
  if (!(error instanceof Killed)) throw error;
}
