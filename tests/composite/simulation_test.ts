/** A fallback in a world of outages, lost answers and killed processes, by seed: nothing that was accepted is lost. @module */

import { assert } from "@std/assert";
import { FallbackBackend } from "../../backends/composite/fallback.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import type { Batch, StorageBackend } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { sleep } from "../../src/clock.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { flaky, put } from "./flaky_backend.ts";

const WRITERS = 8;
const RECORDS = 55; // as many as do not go to a fallback in one batch with their marks
const STEPS = 60;

/** What is thrown into a process that was killed. */
class Killed extends Error {}

/** Whole numbers from 0 to below `limit`, the same ones for a seed. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 48271) % 2147483647;
    return state % limit;
  };
}

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

/** What may be true of a record, which is 0 where there is none. */
interface Fate {
  readonly key: Key;
  /** The last write of which it is known that it happened. */
  sure: number;
  /** Those after it of which nobody knows. */
  maybe: number[];
}

/** One write of a batch, and what may have been there before. */
interface Write {
  readonly fate: Fate;
  readonly before: readonly number[];
  readonly value: number;
}

/** What may be true of each record and message once everything is over. */
class Ledger {
  readonly fates = new Map<string, Fate>();
  /** Batches of which nobody knows whether they happened, with those of their writes that no later one was made upon. */
  inDoubt: (readonly Write[])[] = [];
  /** Records that are written by several at the same time, and never deleted. */
  readonly shared = new Set<string>();
  readonly sent = new Set<string>();
  readonly handled = new Set<string>();
  /** Of those that were handled, they have a record that was written in the same step. */
  readonly done = new Set<string>();

  /** Notes what became of writes; `null` where nobody knows. */
  note(writes: readonly Write[], done: boolean | null, isClear: boolean): void {
    for (const { fate, value } of writes) {
      if (done) Object.assign(fate, { sure: value, maybe: [] });
      else if (done === false) fate.maybe.pop();
    }
    if (done === false) return;
    const fates = new Set(writes.map(({ fate }) => fate));
    this.inDoubt = this.inDoubt.map((batch) => batch.filter(({ fate }) => !fates.has(fate)));
    if (done === null && !isClear) this.inDoubt.push(writes);
  }
}

/** Goes through one world, and tells how many messages were handled in it. */
async function simulate(seed: number): Promise<number> {
  const random = generator(seed);
  const clock = new ManualClock();
  const [primary, fallback] = [new MemoryBackend({ clock }), new MemoryBackend({ clock })];
  const { backend: flakyPrimary, control } = flaky(primary);
  const { backend: flakyFallback, control: fallbackControl } = flaky(fallback);
  const ledger = new Ledger();
  let counter = 0;

  /** One process: its backend, and those who work in it until it is killed. */
  const begin = () => {
    let kill = () => {};
    let isKilled = false;
    const killed = new Promise<never>((_, reject) => kill = () => reject(new Killed()));
    killed.catch(() => {});
    const end = () => {
      isKilled = true;
      kill();
    };
    // Now and then it is killed in the midst of what a change of serving sets off.
    const onChange = async () => {
      changes++;
      if (random(12) > 0) return;
      for (let left = random(120); left > 0; left--) await Promise.resolve();
      end();
    };
    let changes = 0;
    const own = (store: StorageBackend) => slow(store, random, clock, () => isKilled);
    const options = { fallback: own(flakyFallback), queues: true };
    const backend = new FallbackBackend(own(flakyPrimary), options, clock, () => void onChange());
    const call = <Result>(result: Promise<Result>) => Promise.race([result, killed]);
    const commit = (batch: Batch) => outcomeOf(call(backend.commit(batch)).then(({ committed }) => committed));
    // It goes in several steps, so that one that fails may have cleared some of it.
    const clear = async (prefix: Key) => await outcomeOf(call(backend.clear(prefix)).then(() => true)) || null;
    /** Whoever wrote something finds it where the primary serves, or the same as has served all along. */
    const look = async (writes: readonly Write[], changesBefore: number) => {
      const { serving } = backend.status;
      const changesNow = changes;
      const { fate: { key } = { key: [] }, value } = writes[random(writes.length)] ?? {};
      const found = await call(backend.get([key])).catch(ignoreOutages);
      if (!found || changes !== changesNow || (serving !== "primary" && changes !== changesBefore)) return;
      assert(Number(found[0]?.value ?? 0) === value, `seed ${seed}: ${key} is not ${value} for its writer`);
    };
    const work = async (writer: number) => {
      while (!isKilled) {
        await call(Promise.resolve());
        const n = ++counter;
        const kind = random(8);
        if (kind === 0) {
          const name = `shared ${random(RECORDS)}`;
          const both = await Promise.all([commit(put([name], `${n}`)), commit(put([name], `${n}`))]);
          if (both.includes(true)) ledger.shared.add(name);
        } else if (kind === 1) {
          const done = await commit({ operations: [message(`m${n}`, { delayMs: random(3) * 100, maxAttempts: 100 })] });
          if (done) ledger.sent.add(`m${n}`);
        } else if (kind === 2) {
          const deliveries = await call(backend.claim(QUEUE, { leaseMs: 2000, limit: 2 })).catch(() => []);
          for (const delivery of deliveries) {
            const operations = [{ type: "ack", ...lease(delivery) } as const, record(["done", delivery.id], n)];
            const done = await commit({ operations });
            if (done !== false) ledger.handled.add(delivery.id);
            if (!done) continue;
            assert(!ledger.done.has(delivery.id), `seed ${seed}: ${delivery.id} is handled twice`);
            ledger.done.add(delivery.id);
          }
        } else {
          // Some records of its own are written or deleted, few or as many as go together, or all are cleared.
          const isClear = kind === 3 && random(4) === 0;
          const first = random(RECORDS);
          const count = isClear ? RECORDS : kind === 4 ? RECORDS - first : 1;
          const isGone = isClear || random(4) === 0;
          const writes = Array.from({ length: count }, (_, index): Write => {
            const key = [`${writer}`, `${(isClear ? 0 : first) + index}`];
            const fate = ledger.fates.get(key.join()) ?? { key, sure: 0, maybe: [] };
            ledger.fates.set(key.join(), fate);
            const value = isGone || (kind === 4 && random(2) === 0) ? 0 : n;
            const before = [fate.sure, ...fate.maybe];
            fate.maybe.push(value); // until it is known
            return { fate, before, value };
          });
          const operations = writes.map(({ fate: { key }, value }) =>
            value === 0 ? { type: "delete", key } as const : record(key, value)
          );
          const changesBefore = changes;
          const done = await (isClear ? clear([`${writer}`]) : commit({ operations }));
          ledger.note(writes, done, isClear);
          if (done) await look(writes, changesBefore);
        }
      }
    };
    const working = Array.from({ length: WRITERS }, (_, writer) => work(writer).catch(ignoreKilled));
    return {
      isKilled: () => isKilled,
      end: async () => {
        end();
        await Promise.all(working);
      },
    };
  };

  let process = begin();
  for (let step = 0; step < STEPS; step++) {
    for (let left = random(10); left >= 0; left--) await clock.advance(random(50));
    const kind = random(12);
    if (kind < 3) control.isAway = !control.isAway;
    else if (kind < 5) control.losesAnswers = !control.losesAnswers;
    else if (kind === 5) fallbackControl.isAway = !fallbackControl.isAway;
    else if (kind === 6) fallbackControl.losesAnswers = !fallbackControl.losesAnswers;
    else if (kind === 7) clock.jump(random(20_000) - 10_000);
    else if (kind === 8) await process.end();
    if (!process.isKilled()) continue;
    await process.end();
    process = begin();
  }
  await process.end();
  for (const each of [control, fallbackControl]) Object.assign(each, { isAway: false, losesAnswers: false });
  const last = new FallbackBackend(flakyPrimary, { fallback, queues: true }, clock, () => {});
  await last.get([["any"]]);
  for (let tries = 0; last.status.serving !== "primary" || last.status.journalled > 0; tries++) {
    assert(tries < 100, `seed ${seed}: it does not come back: ${JSON.stringify(last.status)}`);
    await clock.advance(1000);
  }
  const valueOf = async ({ key }: Fate) => Number((await primary.get([key]))[0]?.value ?? 0);
  for (const fate of ledger.fates.values()) {
    const found = await valueOf(fate);
    const may = [fate.sure, ...fate.maybe];
    assert(may.includes(found), `seed ${seed}: record ${fate.key} is ${found}, not one of ${may}`);
  }
  for (const batch of ledger.inDoubt) {
    const found = await Promise.all(batch.map(({ fate }) => valueOf(fate)));
    const isDone = batch.every(({ value }, index) => value === found[index]);
    const isUndone = batch.every(({ before }, index) => before.includes(found[index] ?? 0));
    const told = batch.map(({ fate, value, before }, index) => `${fate.key}: ${before} -> ${value} is ${found[index]}`);
    assert(isDone || isUndone, `seed ${seed}: a batch is half done: ${told.join("; ")}`);
  }
  for (const name of ledger.shared) assert((await primary.get([[name]]))[0], `seed ${seed}: ${name} is lost`);
  for (const id of ledger.done) {
    assert((await primary.get([["done", id]]))[0], `seed ${seed}: what was written with the end of ${id} is lost`);
  }
  const there = new Set<string>();
  for (const state of ["ready", "delayed", "leased", "dead"] as const) {
    for await (const { id } of primary.messages(QUEUE, state)) there.add(id);
  }
  const lost = [...ledger.sent].filter((id) => !there.has(id) && !ledger.handled.has(id));
  assert(lost.length === 0, `seed ${seed}: ${lost} of ${ledger.sent.size} messages are lost`);
  await last.close();
  return ledger.handled.size;
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

// Those that found a fault of their own, beyond what the first few find.
const REGRESSIONS = [45, 74, 88, 10119];

Deno.test("G1 nothing accepted is lost: a fallback in outages, with lost answers and killed processes", async () => {
  const first = Number(Deno.env.get("TTA_FALLBACK_SEED") ?? 1);
  const runs = Number(Deno.env.get("TTA_FALLBACK_RUNS") ?? 25);
  const seeds = [...Array.from({ length: runs }, (_, index) => first + index), ...REGRESSIONS];
  let handled = 0;
  for (const seed of seeds) handled += await simulate(seed);
  assert(handled > 10 * seeds.length, `too little has happened: ${handled} messages in ${seeds.length} worlds`);
});
