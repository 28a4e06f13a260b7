/** A fallback in what is seldom: switching back under load, a synchronisation that breaks off, marks at their limits. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { CachedBackend } from "../../backends/composite/cache.ts";
import { FallbackBackend } from "../../backends/composite/fallback.ts";
import type { FallbackOptions } from "../../backends/composite/options.ts";
import type { FallbackChange } from "../../backends/composite/switch.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import type { Batch, EnqueueOperation, Operation, StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { standIn, turn } from "../storage/stand_in.ts";
import { flaky, put, synchronised } from "./flaky_backend.ts";

const QUEUE = ["queue"];
const away = () => Promise.reject(new BackendUnavailableError("away"));

const enqueue = (id: string): EnqueueOperation => ({
  type: "enqueue",
  queue: QUEUE,
  id,
  value: id,
  priority: 5,
  maxAttempts: 1,
  dedupeMs: 60_000,
  capacity: 100,
});

/** A primary that can be switched off, and of which single methods can be replaced, with its fallback. */
function open(options: Partial<FallbackOptions> = {}) {
  const clock = new ManualClock();
  const store = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = {};
  const { backend: primary, control } = flaky(standIn(store, methods));
  const fallback = options.fallback ?? new MemoryBackend({ clock });
  const changes: FallbackChange[] = [];
  const backend = new FallbackBackend(primary, { ...options, fallback }, clock, (change) => changes.push(change));
  const comeBack = async () => {
    control.isAway = false;
    await synchronised(backend, clock);
  };
  return { clock, store, methods, control, fallback, backend, changes, comeBack };
}

const keys = async (backend: StorageBackend) =>
  (await Array.fromAsync(backend.list([]))).map(({ key }) => key.join("/"));

Deno.test("changes() begins from the start after each change of serving, and goes on while one serves", async () => {
  const { backend, control, comeBack } = open();
  const set = (name: string): Batch => ({
    operations: [{ type: "set", key: ["p", name], value: name, tracked: true }],
  });
  await backend.commit(set("a"));
  const before = await backend.changes(["p"]);
  await backend.commit(set("b"));
  const next = await backend.changes(["p"], before.cursor);
  assertEquals([next.reset, next.entries.map(({ value }) => value)], [false, ["b"]]);
  control.isAway = true;
  const reset = await backend.changes(["p"], next.cursor);
  assertEquals([reset.reset, reset.entries], [true, []]);
  await backend.commit(set("c"));
  const during = await backend.changes(["p"], reset.cursor);
  assertEquals([during.reset, during.entries.map(({ value }) => value)], [false, ["c"]]);
  assert(during.entries[0]?.version.startsWith("fallback:"));
  await comeBack();
  const after = await backend.changes(["p"], during.cursor);
  assertEquals([after.reset, after.entries.map(({ value }) => value).toSorted()], [true, ["a", "b", "c"]]);
  await backend.close();
});

Deno.test("a call that is made while the last writes are synchronised is answered by the primary, after them", async () => {
  const { backend, control, methods, store, comeBack } = open();
  control.isAway = true;
  await backend.commit(put(["k"], "written in the outage"));
  let asked: Promise<unknown> | null = null;
  methods.commit = (batch) => {
    asked ??= backend.get([["k"]]).then(([entry]) => [entry?.value, backend.status.serving]);
    return store.commit(batch);
  };
  await comeBack();
  assertEquals(await asked, ["written in the outage", "primary"]);
  await backend.close();
});

Deno.test("a synchronisation that breaks off is begun again, and nothing is lost", async () => {
  const { backend, control, methods, changes, comeBack } = open();
  control.isAway = true;
  await backend.commit(put(["k"], "v"));
  let breaks = 0;
  methods.commit = () => {
    if (++breaks === 2) delete methods.commit;
    return breaks === 1 ? away() : Promise.reject("a string");
  };
  await comeBack();
  const reasons = changes.map(({ reason }) => reason).filter((reason) => reason.includes("broke off"));
  assertEquals(reasons, ["the synchronisation broke off: away", "the synchronisation broke off: a string"]);
  assertEquals((await backend.get([["k"]]))[0]?.value, "v");
  await backend.close();
});

Deno.test("close() ends a synchronisation that is under way", async () => {
  const { backend, control, methods, clock } = open();
  control.isAway = true;
  await backend.commit(put(["k"], "v"));
  let fail = (_error: Error) => {};
  methods.commit = () => new Promise((_resolve, reject) => fail = reject);
  control.isAway = false;
  await clock.advance(1000);
  const closing = backend.close();
  fail(new BackendUnavailableError("closed"));
  await closing;
  assertEquals(clock.timers, 0);
});

Deno.test("listen() passes on what is no outage, and listens to a primary that comes back late", async () => {
  const { backend, control, methods, clock, store } = open();
  methods.listen = () => Promise.reject(new Error("a fault"));
  await assertRejects(() => backend.listen(QUEUE, () => {}), Error, "a fault");
  let tries = 0;
  methods.listen = (topic, wake) => ++tries < 3 ? away() : store.listen(topic, wake);
  let woken = 0;
  const unlisten = await backend.listen(QUEUE, () => woken++);
  await clock.advance(10_000);
  assertEquals(tries, 3);
  const before = woken;
  await store.commit({ operations: [], notify: [QUEUE] });
  assertEquals(woken, before + 1);
  await unlisten();
  control.isAway = true;
  const never = await backend.listen(QUEUE, () => {});
  await clock.advance(5000);
  await never();
  await backend.close();
  assertEquals(clock.timers, 0);
});

Deno.test("ping() asks whoever serves", async () => {
  const { backend, control } = open();
  assertEquals((await backend.ping()).healthy, true);
  control.isAway = true;
  assertEquals((await backend.ping()).healthy, false);
  await backend.get([["k"]]);
  assertEquals((await backend.ping()).healthy, true);
  await backend.close();
});

Deno.test("listings, counts and clears of everything leave out the marks, forwards and back", async () => {
  const { backend, control, store, comeBack } = open();
  await backend.commit(put(["old"], "v"));
  control.isAway = true;
  for (const name of ["a", "b", "c"]) await backend.commit(put([name], name));
  assertEquals(await keys(backend), ["a", "b", "c"]);
  const reverse = await Array.fromAsync(backend.list([], { reverse: true }));
  assertEquals(reverse.map(({ value }) => value), ["c", "b", "a"]);
  assertEquals([await backend.count([]), await backend.count(["a"])], [3, 0]);
  assertEquals(await backend.clear([]), 3);
  assertEquals(await backend.count([]), 0);
  await backend.commit(put(["d"], "d"));
  await comeBack();
  assertEquals(await keys(store), ["d"]);
  await backend.close();
});

Deno.test("a record that was written and deleted in the outage, or deleted and written, is as it was left", async () => {
  const { backend, control, store, comeBack } = open();
  await backend.commit({ operations: [...put(["a"], "old").operations, ...put(["b"], "old").operations] });
  control.isAway = true;
  const remove = (name: string): Batch => ({ operations: [{ type: "delete", key: [name] }] });
  await backend.commit(put(["a"], "new"));
  await backend.commit(remove("a"));
  await backend.commit(remove("b"));
  await backend.commit(put(["b"], "new"));
  await comeBack();
  assertEquals((await store.get([["a"], ["b"]])).map((entry) => entry?.value), [undefined, "new"]);
  await backend.close();
});

Deno.test("what a refused batch would have written is not brought to the primary, however large it is", async () => {
  const { backend, control, store, comeBack } = open();
  const records = (count: number, value: string): Operation[] =>
    Array.from({ length: count }, (_, n) => ({ type: "set", key: ["r", `${n}`], value }));
  await backend.commit({ operations: records(99, "old") });
  const [entry] = await backend.get([["r", "0"]]);
  assert(entry);
  control.isAway = true;
  const checks = [{ key: ["x"], version: "none such" }];
  for (const count of [5, 99]) {
    const result = await backend.commit({ checks, operations: records(count, "new") });
    assertEquals(result, { committed: false, reason: "conflict", index: 0 });
  }
  // A version of the primary is none of the fallback's.
  const stale = [{ key: ["r", "0"], version: entry.version }];
  assertEquals((await backend.commit({ checks: stale, operations: records(1, "new") })).committed, false);
  await comeBack();
  assertEquals(new Set((await Array.fromAsync(store.list(["r"]))).map(({ value }) => value)), new Set(["old"]));
  assertEquals(await store.count(["r"]), 99);
  await backend.close();
});

Deno.test("messages that are settled, purged or dead in the fallback are counted, and the dead go to the primary as ready", async () => {
  const { backend, control, store, comeBack, clock } = open({ queues: true });
  control.isAway = true;
  await backend.commit({ operations: ["a", "b", "c", "d"].map(enqueue) });
  assertEquals(backend.status.journalled, 5, "four messages, and the mark of their queue");
  const [a, b] = await backend.claim(QUEUE, { leaseMs: 60_000, limit: 2 });
  assert(a && b);
  await backend.commit({ operations: [{ type: "ack", queue: QUEUE, id: a.id, token: a.token }] });
  await backend.commit({ operations: [{ type: "purge", queue: QUEUE, id: "d" }] });
  await backend.commit({ operations: [{ type: "purge", queue: QUEUE, id: "none" }] });
  assertEquals(backend.status.journalled, 3);
  await backend.commit({ operations: [{ type: "bury", queue: QUEUE, id: b.id, token: b.token }] });
  assertEquals((await backend.stats(QUEUE)).dead, 1);
  await comeBack();
  await clock.advance(1);
  const moved = await Array.fromAsync(store.messages(QUEUE, "ready"));
  assertEquals(moved.map(({ id }) => id).toSorted(), ["b", "c"]);
  await backend.close();
});

Deno.test("marks of an unknown format are left alone", async () => {
  const fallback = new MemoryBackend();
  const key = ["\u0000unsynchronised", "0000000000000007"];
  await fallback.commit({ operations: [{ type: "set", key, value: { v: 99 } }] });
  const { backend } = open({ fallback });
  assertEquals(await backend.get([["k"]]), [null]);
  assertEquals([backend.status.serving, backend.status.journalled], ["primary", 0]);
  assertEquals((await fallback.get([key]))[0]?.value, { v: 99 });
  await backend.close();
});

Deno.test("CachedBackend keeps nothing before it can hear of changes, and listens anew", async () => {
  const clock = new ManualClock();
  const store = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = { listen: away };
  await using cached = new CachedBackend(standIn(store, methods), [], {}, clock);
  await store.commit(put(["k"], "first"));
  await assertRejects(() => cached.get([["k"]]), BackendUnavailableError);
  delete methods.listen;
  assertEquals((await cached.get([["k"]]))[0]?.value, "first");
  await cached.commit(put(["k"], "second"));
  await turn();
  assertEquals((await cached.get([["k"]]))[0]?.value, "second");
});

Deno.test("a fallback within a fallback tells its own deliveries, versions and cursors from the other's", async () => {
  const clock = new ManualClock();
  const { backend: primary, control } = flaky(new MemoryBackend({ clock }));
  const within = (backend: StorageBackend) =>
    new FallbackBackend(backend, { fallback: new MemoryBackend({ clock }), queues: true }, clock, () => {});
  const backend = within(within(primary));
  control.isAway = true;
  await backend.commit({ operations: [enqueue("a"), { type: "set", key: ["p", "k"], value: 1, tracked: true }] });
  const [delivery] = await backend.claim(QUEUE, { leaseMs: 60_000 });
  const [entry] = await backend.get([["p", "k"]]);
  assert(delivery && entry);
  const batch = {
    checks: [{ key: entry.key, version: entry.version }],
    operations: [{ type: "ack", queue: QUEUE, id: delivery.id, token: delivery.token } as const],
  };
  assertEquals((await backend.commit(batch)).committed, true);
  const { cursor } = await backend.changes(["p"]);
  assertEquals((await backend.changes(["p"], cursor)).reset, false);
  await backend.close();
});
