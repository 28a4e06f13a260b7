/** A fallback that is lost with what the primary lacks: the operator is told of it, and has a way out. @module */

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { CompositeBackend, type RouteStatus } from "../../backends/composite.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { deferred } from "../../src/storage/es2024.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { claimIds, claimOne, commit, lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { standIn } from "../storage/stand_in.ts";
import { flaky } from "./flaky_backend.ts";

/** A composite whose two children can be switched off, each by itself, and outlive it. */
function open() {
  const clock = new ManualClock();
  const stores = { primary: new MemoryBackend({ clock }), fallback: new MemoryBackend({ clock }) };
  const child = (store: StorageBackend, name: string) =>
    flaky(standIn(store, { name, close: () => Promise.resolve() }));
  const [primary, fallback] = [child(stores.primary, "primary"), child(stores.fallback, "spare")];
  const begin = () => {
    const options = { backend: primary.backend, fallback: { fallback: fallback.backend, queues: true } };
    const backend = new CompositeBackend({ default: options, clock });
    const told: RouteStatus[] = [];
    backend.onStatus((status) => told.push(status));
    return { backend, told };
  };
  return { clock, stores, primary: primary.control, fallback: fallback.control, begin };
}

const servingOf = (backend: CompositeBackend) => backend.statusOf([]).serving;

async function valueOf(backend: StorageBackend, name: string): Promise<unknown> {
  return (await backend.get([[name]]))[0]?.value;
}

Deno.test("CompositeBackend.abandonWrites() gives up what a lost fallback holds, and the primary serves at once", async () => {
  const { clock, stores, primary, fallback, begin } = open();
  const { backend, told } = begin();
  await commit(backend, [record(["k"], "old"), record(["c", "k"], "old")]);
  const leftAtMs = clock.now();
  primary.isAway = true;
  await commit(backend, [record(["k"], "lost"), { type: "delete", key: ["gone"] }, message("a"), message("b")]);
  await backend.clear(["c"]);
  fallback.isAway = true;
  primary.isAway = false;
  await clock.advance(10_000);
  const { serving, journalled, sinceMs, reason } = backend.statusOf(["k"]);
  assertEquals({ serving, journalled, sinceMs }, { serving: "fallback", journalled: 6, sinceMs: leftAtMs });
  assert(reason.includes('the primary backend answers, but not the fallback "spare"'), reason);
  assertEquals(told.length, 2, "it is told once");
  await assertRejects(() => backend.get([["k"]]), BackendUnavailableError);

  assertEquals(await backend.abandonWrites(["k"]), {
    records: [["k"], ["gone"]],
    cleared: [["c"]],
    queues: [QUEUE],
    messages: 2,
    complete: true,
    emptied: false,
  });
  assertEquals(told.at(-3)?.reason, "what the fallback held was given up: 5 writes");
  assertEquals([servingOf(backend), backend.statusOf([]).journalled], ["primary", 0]);
  assertEquals([await valueOf(backend, "k"), await backend.count(["c"])], ["old", 1]);

  // While it is away it cannot serve, and then it has nothing of what was given up.
  primary.isAway = true;
  await assertRejects(() => backend.get([["k"]]), BackendUnavailableError);
  fallback.isAway = false;
  assertEquals(await Promise.all([valueOf(backend, "k"), claimIds(backend, 10)]), [undefined, []]);
  await commit(backend, [record(["k"], "new")]);
  primary.isAway = false;
  await clock.advance(1000);
  assertEquals([servingOf(backend), await valueOf(stores.primary, "k")], ["primary", "new"]);
  await backend.close();
});

Deno.test("what was given up does not come back with the next process, once the fallback could be emptied", async () => {
  for (const isBack of [true, false]) {
    const { clock, stores, primary, fallback, begin } = open();
    const first = begin().backend;
    primary.isAway = true;
    await commit(first, [record(["k"], "lost"), message("a", { delayMs: 1000 })]);
    fallback.isAway = true;
    primary.isAway = false;
    assertEquals((await first.abandonWrites([])).emptied, false);
    await commit(first, [record(["k"], "new")]);
    fallback.isAway = !isBack;
    await clock.advance(5000);
    await first.close();
    fallback.isAway = false;
    assertEquals(await stores.fallback.count([]) > 0, !isBack);
    const second = begin().backend;
    assertEquals(await valueOf(second, "k"), isBack ? "new" : "lost", "which is told by `emptied`");
    await second.close();
    assertEquals(clock.timers, 0);
  }
});

Deno.test("CompositeBackend.abandonWrites() lets a process begin whose fallback cannot be read", async () => {
  const { fallback, begin } = open();
  const { backend } = begin();
  fallback.isAway = true;
  await assertRejects(() => commit(backend, [record(["k"], 1)]), BackendUnavailableError);
  const { complete, emptied, records } = await backend.abandonWrites([]);
  assertEquals({ complete, emptied, records }, { complete: false, emptied: false, records: [] });
  await commit(backend, [record(["k"], 1)]);
  assertEquals([await valueOf(backend, "k"), servingOf(backend)], [1, "primary"]);
  await backend.close();
});

Deno.test("CompositeBackend.abandonWrites() waits for a slow fallback to be read, and gives up what was found there", async () => {
  for (const isReadable of [true, false]) {
    const clock = new ManualClock();
    const stores = { primary: new MemoryBackend({ clock }), fallback: new MemoryBackend({ clock }) };
    const outlives = { close: () => Promise.resolve() };
    const { backend: primary, control } = flaky(standIn(stores.primary, outlives));
    const methods: Partial<StorageBackend> = { ...outlives };
    const options = { backend: primary, fallback: standIn(stores.fallback, methods) };
    control.isAway = true;
    const earlier = new CompositeBackend({ default: options, clock });
    await commit(earlier, [record(["k"], "lost")]);
    await earlier.close();

    const read = deferred<void>();
    methods.list = async function* (...asked) {
      await read.promise;
      yield* stores.fallback.list(...asked);
    };
    const backend = new CompositeBackend({ default: options, clock });
    let isAbandoned = false;
    const abandoning = backend.abandonWrites([]).finally(() => isAbandoned = true);
    await clock.advance(30_000);
    assertFalse(isAbandoned, "what is read after it was given up would be brought over");
    if (isReadable) read.resolve();
    else read.reject(new BackendUnavailableError("Cannot read the fallback"));
    const { complete, emptied, records } = await abandoning;
    assertEquals({ complete, emptied }, { complete: false, emptied: true });
    assertEquals(records, isReadable ? [["k"]] : []);
    assertEquals(await stores.fallback.count([]), 0);
    control.isAway = false;
    await clock.advance(5000);
    assertEquals([servingOf(backend), await valueOf(backend, "k")], ["primary", undefined]);
    delete methods.list;
    await backend.close();
    assertEquals(clock.timers, 0);
  }
});

Deno.test("a fallback that does not answer and does not say why is told of all the same", async () => {
  const clock = new ManualClock();
  const methods: Partial<StorageBackend> = {};
  const { backend: primary, control } = flaky(new MemoryBackend({ clock }));
  const fallback = standIn(new MemoryBackend({ clock }), methods);
  await using backend = new CompositeBackend({ default: { backend: primary, fallback }, clock });
  control.isAway = true;
  await commit(backend, [record(["k"], "v")]);
  methods.ping = () => Promise.resolve({ healthy: false, latencyMs: 0 });
  control.isAway = false;
  await clock.advance(1000);
  const { serving, reason } = backend.statusOf(["k"]);
  assertEquals(serving, "fallback");
  assert(reason.endsWith(`"${fallback.name}", which has writes for it: it does not say why`), reason);
  delete methods.ping;
  await clock.advance(1000);
  assertEquals([servingOf(backend), await valueOf(backend, "k")], ["primary", "v"]);
});

Deno.test("CompositeBackend.abandonWrites() gives up what the primary refuses for ever, and empties the fallback", async () => {
  const { clock, stores, primary, begin } = open();
  const { backend } = begin();
  primary.isAway = true;
  await commit(backend, [record(["k"], "refused"), message("a"), message("b", { delayMs: 1000 })]);
  const delivery = await claimOne(backend);
  Object.assign(primary, { isAway: false, commitsLeft: 0 });
  await clock.advance(5000);
  assertEquals(servingOf(backend), "fallback");
  const { messages, emptied } = await backend.abandonWrites([]);
  assertEquals({ messages, emptied }, { messages: 2, emptied: true });
  assertEquals([await stores.fallback.count([]), await Array.fromAsync(stores.fallback.queues())], [0, []]);
  primary.commitsLeft = Infinity;
  await clock.advance(1000);
  assertEquals(servingOf(backend), "primary");
  assertEquals((await backend.commit({ operations: [{ type: "ack", ...lease(delivery) }] })).committed, false);
  await commit(backend, [record(["k"], "taken")]);
  await backend.close();
  assertEquals(clock.timers, 0);
});

Deno.test("CompositeBackend.abandonWrites() gives up nothing that is brought over at that moment", async () => {
  const clock = new ManualClock();
  const store = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = {};
  const arrived = deferred<void>();
  const { backend: primary, control } = flaky(standIn(store, methods));
  await using backend = new CompositeBackend({
    default: { backend: primary, fallback: new MemoryBackend({ clock }) },
    clock,
  });
  control.isAway = true;
  await commit(backend, [record(["k"], "v")]);
  methods.commit = async (batch) => {
    await arrived.promise;
    return await store.commit(batch);
  };
  control.isAway = false;
  await clock.advance(1000);
  const abandoning = backend.abandonWrites(["k"]);
  arrived.resolve();
  assertEquals((await abandoning).records, []);
  assertEquals([await valueOf(backend, "k"), servingOf(backend)], ["v", "primary"]);
});

Deno.test("what a fallback has lost by itself is told when the primary serves again", async () => {
  const { clock, stores, primary, begin } = open();
  const { backend, told } = begin();
  primary.isAway = true;
  await commit(backend, [record(["k"], "lost"), { type: "delete", key: ["gone"] }, message("a")]);
  await backend.clear(["c"]);
  await stores.fallback.clear([]); // its server was started anew, with nothing
  await commit(stores.fallback, [{ type: "purge", queue: QUEUE, id: "a" }]);
  await commit(backend, [record(["other"], "kept")]);
  primary.isAway = false;
  await clock.advance(1000);
  const reason = "everything is synchronised but 4 records, prefixes and queues, which the fallback has lost";
  assertEquals([told.at(-1)?.serving, told.at(-1)?.reason, backend.statusOf([]).reason], ["primary", reason, reason]);
  assertEquals([await valueOf(stores.primary, "other"), await valueOf(stores.primary, "k")], ["kept", undefined]);
  await backend.close();
});

Deno.test("CompositeBackend.abandonWrites() refuses a part that has no fallback", async () => {
  await using backend = new CompositeBackend({ default: new MemoryBackend() });
  await assertRejects(() => backend.abandonWrites(["k"]), TypeError, "no fallback");
  assertEquals(backend.statusOf(["k"]).fallback, null);
});

Deno.test("a primary that serves is not held up by a fallback that does not answer and has a message leased", async () => {
  const clock = new ManualClock();
  const methods: Partial<StorageBackend> = {};
  const { backend: primary, control } = flaky(new MemoryBackend({ clock }));
  const fallback = standIn(new MemoryBackend({ clock }), methods);
  const backend = new CompositeBackend({ default: { backend: primary, fallback: { fallback, queues: true } }, clock });
  control.isAway = true;
  await commit(backend, [message("a")]);
  await claimOne(backend);
  control.isAway = false;
  for (let tries = 0; tries < 10 && servingOf(backend) !== "primary"; tries++) await clock.advance(1000);
  const hanging = () => new Promise<never>(() => {});
  Object.assign(methods, { stats: hanging, claim: hanging, ping: hanging });
  await clock.advance(5000);
  await commit(backend, [record(["k"], 1)]);
  assertEquals(await valueOf(backend, "k"), 1);
  for (const name of ["stats", "claim", "ping"] as const) delete methods[name];
  await backend.close();
});

Deno.test("listen() does without a fallback that is away, and listens to it when it is back", async () => {
  const { clock, primary, fallback, begin } = open();
  const { backend } = begin();
  await backend.get([["k"]]);
  fallback.isAway = true;
  let woken = 0;
  const unlisten = await backend.listen(QUEUE, () => woken++);
  await commit(backend, [message("a")]);
  assertEquals(woken, 1);
  fallback.isAway = false;
  await clock.advance(2000);
  primary.isAway = true;
  const before = woken;
  await commit(backend, [message("b")]);
  assert(woken > before);
  await unlisten();
  await backend.close();
  assertEquals(clock.timers, 0);
});
