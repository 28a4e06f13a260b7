/** What the composite backend does beyond the conformance suite: routes, fallbacks, caches. @module */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CompositeBackend, type RouteStatus } from "../../backends/composite.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError, CrossBackendError, JournalFullError, OutcomeUnknownError } from "../../src/errors.ts";
import type { EnqueueOperation, StorageBackend } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { standIn } from "../storage/stand_in.ts";
import { flaky, put } from "./flaky_backend.ts";

const QUEUE: Key = ["queue"];

function message(id: string, delayMs = 0): EnqueueOperation {
  return {
    type: "enqueue",
    queue: QUEUE,
    id,
    value: id,
    priority: 5,
    maxAttempts: 3,
    dedupeMs: 60_000,
    capacity: 100,
    delayMs,
  };
}

/** A primary that can be switched off, with a fallback, on one clock. */
function withFallback(options: { queues?: boolean; maxJournal?: number; fallback?: StorageBackend } = {}) {
  const clock = new ManualClock();
  const store = new MemoryBackend({ clock });
  const { backend: primary, control } = flaky(store);
  const fallback = options.fallback ?? new MemoryBackend({ clock });
  const composite = new CompositeBackend({ default: { backend: primary, fallback: { ...options, fallback } }, clock });
  const changes: string[] = [];
  composite.onStatus(({ serving }) => changes.push(serving));
  /** Brings the primary back, and lets the composite notice. */
  const comeBack = async () => {
    control.isAway = false;
    for (let tries = 0; composite.status()[0]?.serving !== "primary" || composite.status()[0]?.journalled; tries++) {
      assert(tries < 50, `it does not come back: ${JSON.stringify(composite.status())}`);
      await clock.advance(1000);
    }
  };
  return { clock, store, control, fallback, composite, changes, comeBack };
}

async function values(backend: StorageBackend, prefix: Key): Promise<unknown[]> {
  return (await Array.fromAsync(backend.list(prefix))).map((entry) => entry.value);
}

Deno.test("CompositeBackend routes by the longest prefix, and to the default", async () => {
  const [rest, a, ab] = [new MemoryBackend(), new MemoryBackend(), new MemoryBackend()];
  await using composite = new CompositeBackend({
    default: rest,
    routes: [{ prefix: ["a"], backend: a }, { prefix: ["a", "b"], backend: ab }],
  });
  for (const key of [["a"], ["a", "c"], ["a", "b"], ["a", "b", "c"], ["ab"], ["b", "a"]]) {
    await composite.commit(put(key, key.join("/")));
  }
  assertEquals(await values(rest, []), ["ab", "b/a"]);
  assertEquals(await values(a, []), ["a", "a/c"]);
  assertEquals(await values(ab, []), ["a/b", "a/b/c"]);
  const found = await composite.get([["a", "b"], ["b", "a"], ["nothing"], ["a"]]);
  assertEquals(found.map((entry) => entry?.value), ["a/b", "b/a", undefined, "a"]);
  assertEquals(await composite.count(["a", "b"]), 1);
});

Deno.test("CompositeBackend.statusOf() tells who serves a key, by the longest prefix", async () => {
  const clock = new ManualClock();
  const named = (name: string) => standIn(new MemoryBackend({ clock }), { name });
  const { backend: ab, control } = flaky(named("ab"));
  await using composite = new CompositeBackend({
    default: named("rest"),
    routes: [{ prefix: ["a"], backend: named("a") }, { prefix: ["a", "b"], backend: ab, fallback: named("own") }],
    clock,
  });
  control.isAway = true;
  await composite.commit(put(["a", "b", "c"], "v"));
  const told = [["x"], ["a"], ["a", "b"], ["a", "b", "c"], []].map((key) => composite.statusOf(key));
  assertEquals(told.map(({ backend, serving }) => `${backend}: ${serving}`), [
    "rest: primary",
    "a: primary",
    "ab: fallback",
    "ab: fallback",
    "rest: primary",
  ]);
  assertEquals(composite.status(), [composite.statusOf(["a"]), composite.statusOf(["a", "b"]), composite.statusOf([])]);
  assertThrows(() => composite.statusOf(JSON.parse('"a"')), TypeError, "key");
});

Deno.test("CompositeBackend refuses a batch or query that spans children, and nothing is done", async () => {
  const [rest, other] = [new MemoryBackend(), new MemoryBackend()];
  await using composite = new CompositeBackend({ default: rest, routes: [{ prefix: ["a", "b"], backend: other }] });
  const spanning = [
    { operations: [...put(["a", "b"], "1").operations, ...put(["c"], "2").operations] },
    { checks: [{ key: ["a", "b"], version: null }], ...put(["c"], "2") },
    { ...put(["a", "b"], "1"), notify: [["c"]] },
  ];
  for (const batch of spanning) {
    const error = await assertRejects(() => composite.commit(batch), CrossBackendError);
    assertEquals(error.code, "CROSS_BACKEND_BATCH");
  }
  await assertRejects(() => values(composite, []), CrossBackendError);
  await assertRejects(() => composite.count(["a"]), CrossBackendError);
  await assertRejects(() => composite.clear(["a"]), CrossBackendError);
  assertEquals([...await values(rest, []), ...await values(other, [])], []);
  assertThrows(
    () => new CompositeBackend({ default: rest, routes: [{ prefix: [], backend: other }] }),
    TypeError,
    "prefix",
  );
});

Deno.test("CompositeBackend lists the queues of all its children, and recovers in all of them", async () => {
  const clock = new ManualClock();
  const [rest, other] = [new MemoryBackend({ clock }), new MemoryBackend({ clock })];
  await using composite = new CompositeBackend({ default: rest, routes: [{ prefix: ["b"], backend: other }], clock });
  for (const name of ["a", "b", "c"]) {
    await composite.commit({ operations: [{ ...message("m"), queue: [name] }] });
    await composite.claim([name], { leaseMs: 10 });
  }
  assertEquals(await Array.fromAsync(composite.queues()), [["a"], ["b"], ["c"]]);
  await clock.advance(10);
  assertEquals(await composite.recover(), 3);
});

Deno.test("a route with a fallback serves through an outage and brings every write back, the last one of each record", async () => {
  const { composite, control, store, changes, comeBack } = withFallback();
  await composite.commit(put(["before"], "old"));
  await composite.commit(put(["gone"], "old"));
  control.isAway = true;
  await composite.commit(put(["during"], "first"));
  await composite.commit(put(["during"], "second"));
  await composite.commit(put(["before"], "new"));
  await composite.commit({ operations: [{ type: "delete", key: ["gone"] }] });
  assertEquals((await composite.get([["during"]]))[0]?.value, "second");
  assertEquals(await values(composite, []), ["new", "second"]);
  const [status] = composite.status();
  assertEquals([status?.serving, status?.journalled], ["fallback", 3]);
  assert(status?.reason.includes("switched off"));
  await comeBack();
  assertEquals(await values(store, []), ["new", "second"]);
  assertEquals(await values(composite, []), ["new", "second"]);
  assertEquals(changes, ["fallback", "synchronising", "primary"]);
  await composite.close();
});

Deno.test("a fallback fails fast: while the primary is away, no call waits for it", async () => {
  const { composite, control, comeBack } = withFallback();
  control.isAway = true;
  await composite.get([["a"]]);
  const { calls } = control;
  for (let n = 0; n < 100; n++) await composite.get([["a"]]);
  assertEquals(control.calls, calls);
  await comeBack();
  await composite.get([["a"]]);
  assert(control.calls > calls);
  await composite.close();
});

Deno.test("a record that was written in an outage keeps its time to live, and one that expired in it is gone", async () => {
  const { composite, control, store, clock, comeBack } = withFallback();
  await composite.commit(put(["short"], "old"));
  control.isAway = true;
  await composite.commit(put(["short"], "new", 500));
  await composite.commit(put(["long"], "new", 60_000));
  await clock.advance(1000);
  await comeBack();
  assertEquals(await values(store, []), ["new"]);
  await clock.advance(60_000);
  assertEquals(await values(store, []), []);
  await composite.close();
});

Deno.test("a version that was read from one side never matches a record of the other", async () => {
  const { composite, control, comeBack } = withFallback();
  await composite.commit(put(["k"], "1"));
  const [before] = await composite.get([["k"]]);
  control.isAway = true;
  await composite.commit(put(["k"], "2"));
  const [during] = await composite.get([["k"]]);
  const swap = (version: string | undefined) =>
    composite.commit({ checks: [{ key: ["k"], version: version ?? null }], ...put(["k"], "3") });
  assertEquals((await swap(before?.version)).committed, false);
  assertEquals((await swap(during?.version)).committed, true);
  const [later] = await composite.get([["k"]]);
  await comeBack();
  assertEquals((await swap(later?.version)).committed, false);
  assertEquals((await swap((await composite.get([["k"]]))[0]?.version)).committed, true);
  await composite.close();
});

Deno.test("clear() in an outage clears the primary too when it is back, but not what was written after it", async () => {
  const { composite, control, store, comeBack } = withFallback();
  for (const name of ["a", "b"]) await composite.commit(put(["p", name], "old"));
  await composite.commit(put(["q"], "old"));
  control.isAway = true;
  await composite.clear(["p"]);
  await composite.commit(put(["p", "b"], "new"));
  await comeBack();
  assertEquals(await values(store, []), ["new", "old"]);
  await composite.close();
});

Deno.test("a full journal refuses writes with JOURNAL_FULL and drops nothing", async () => {
  const { composite, control, store, comeBack } = withFallback({ maxJournal: 2 });
  control.isAway = true;
  await composite.commit(put(["a"], "1"));
  await composite.commit(put(["b"], "1"));
  const error = await assertRejects(() => composite.commit(put(["c"], "1")), JournalFullError);
  assertEquals(error.code, "JOURNAL_FULL");
  await composite.commit(put(["a"], "2")); // it is in the journal already
  assertEquals(await values(composite, []), ["2", "1"]);
  await comeBack();
  assertEquals(await values(store, []), ["2", "1"]);
  await composite.commit(put(["c"], "1"));
  assertEquals(await values(store, []), ["2", "1", "1"]);
  await composite.close();
});

Deno.test("a batch of 100 records goes to the fallback too, where its marks do not fit beside it", async () => {
  const { composite, control, store, comeBack } = withFallback();
  control.isAway = true;
  const operations = Array.from({ length: 100 }, (_, n) => ({ type: "set" as const, key: ["n", `${n}`], value: n }));
  assertEquals((await composite.commit({ operations })).committed, true);
  await comeBack();
  assertEquals(await store.count(["n"]), 100);
  await composite.close();
});

Deno.test("queues do not fall back unless asked: their calls fail at once", async () => {
  const { composite, control, comeBack } = withFallback();
  await composite.commit({ operations: [message("a")] });
  control.isAway = true;
  await assertRejects(() => composite.commit({ operations: [message("b")] }), BackendUnavailableError, "queue");
  await assertRejects(() => composite.claim(QUEUE, { leaseMs: 1000 }), BackendUnavailableError, "queue");
  await comeBack();
  const claimed = await composite.claim(QUEUE, { leaseMs: 1000, limit: 10 });
  assertEquals(claimed.map(({ id }) => id), ["a"]);
  await composite.close();
});

Deno.test("queues that fall back are served in the outage, and what is left goes to the primary, each message once", async () => {
  const { composite, control, store, comeBack, clock } = withFallback({ queues: true });
  await composite.commit({ operations: [message("held")] });
  const [held] = await composite.claim(QUEUE, { leaseMs: 3_600_000 });
  assert(held);
  control.isAway = true;
  await composite.commit({ operations: ["handled", "leased", "waiting", "doomed"].map((id) => message(id)) });
  await composite.commit({ operations: [message("later", 30_000)] });
  const [handled, leased] = await composite.claim(QUEUE, { leaseMs: 3_600_000, limit: 2 });
  assert(handled && leased);
  const settle = (type: "ack" | "bury", { queue, id, token }: typeof leased) =>
    composite.commit({ operations: [{ type, queue, id, token }] });
  assertEquals((await settle("ack", handled)).committed, true);
  // What the primary delivered cannot be settled while it is away.
  await assertRejects(() => settle("ack", held), BackendUnavailableError);
  control.isAway = false;
  while (composite.status()[0]?.serving !== "primary") await clock.advance(1000);
  assertEquals(
    composite.status()[0]?.journalled,
    2,
    "one message is leased from the fallback still, and its queue marked",
  );
  const { ready, delayed, leased: leases, dead } = await store.stats(QUEUE);
  assertEquals([ready, delayed, leases, dead], [2, 1, 1, 0]);
  assertEquals((await settle("ack", held)).committed, true);
  assertEquals((await settle("ack", leased)).committed, true);
  assertEquals((await settle("ack", leased)).committed, false, "it is settled");
  await comeBack();
  const rest = await composite.claim(QUEUE, { leaseMs: 1000, limit: 10 });
  assertEquals(rest.map(({ id }) => id), ["waiting", "doomed"]);
  await clock.advance(30_000);
  const later = await composite.claim(QUEUE, { leaseMs: 1000, limit: 10 });
  assertEquals(later.map(({ id }) => id).sort(), ["doomed", "later", "waiting"]);
  await composite.close();
});

Deno.test("a commit of unknown outcome is repeated on the fallback only where that changes nothing", async () => {
  const { composite, control, store, comeBack } = withFallback({ queues: true });
  control.losesAnswers = true;
  const guarded = { checks: [{ key: ["k"], version: null }], ...put(["k"], "1") };
  await assertRejects(() => composite.commit(guarded), OutcomeUnknownError);
  assertEquals((await composite.commit({ operations: [message("once")] })).committed, true);
  control.losesAnswers = false;
  await comeBack();
  assertEquals((await store.stats(QUEUE)).ready, 1, "sent once by id");
  await composite.close();
});

Deno.test("what waits in a durable fallback is synchronised by the next process", async () => {
  const clock = new ManualClock();
  const fallback = new MemoryBackend({ clock }); // outlives the composite here, as a file would
  const kept = new Proxy(fallback, {
    get: (target, name) =>
      name === "close"
        ? () => Promise.resolve()
        : Reflect.get(target, name, target).bind?.(target) ?? Reflect.get(target, name, target),
  });
  const first = withFallback({ fallback: kept });
  first.control.isAway = true;
  await first.composite.commit(put(["k"], "from the first"));
  await first.composite.close();
  const second = withFallback({ fallback: kept });
  await second.composite.get([["other"]]);
  await second.comeBack();
  assertEquals(await values(second.store, []), ["from the first"]);
  await second.composite.close();
});

Deno.test("listeners are woken by whoever serves, also after an outage at their start", async () => {
  const { composite, control, comeBack, clock } = withFallback({ queues: true });
  control.isAway = true;
  let wakes = 0;
  const unlisten = await composite.listen(QUEUE, () => wakes++);
  await composite.commit({ operations: [message("a")] });
  assertEquals(wakes, 1);
  await comeBack();
  await clock.advance(5000);
  const before = wakes;
  await composite.commit({ operations: [message("b")] });
  assert(wakes > before);
  await unlisten();
  await composite.close();
});

Deno.test("a cache answers reads from this process, and forgets what another process changes", async () => {
  const clock = new ManualClock();
  const store = new MemoryBackend({ clock });
  const { backend: child, control } = flaky(store);
  const cached = () => new CompositeBackend({ default: { backend: child, cache: { maxAgeMs: 1000 } }, clock });
  const [here, there] = [cached(), cached()];
  await here.commit(put(["k"], "1"));
  await here.get([["k"]]);
  const { calls } = control;
  assertEquals((await here.get([["k"]]))[0]?.value, "1");
  assertEquals(control.calls, calls, "the second read is served from memory");
  await here.commit(put(["k"], "2"));
  assertEquals((await here.get([["k"]]))[0]?.value, "2", "own writes take effect at once");
  await there.commit(put(["k"], "3"));
  assertEquals((await here.get([["k"]]))[0]?.value, "3", "others' writes are heard of");
  await store.commit(put(["k"], "4")); // by somebody without a cache
  assertEquals((await here.get([["k"]]))[0]?.value, "3");
  await clock.advance(1000);
  assertEquals((await here.get([["k"]]))[0]?.value, "4", "and seen within the stated bound");
  await here.close();
  await there.close();
});

Deno.test("status() tells of each route, and a listener that throws harms nothing", async () => {
  const { composite, control, comeBack } = withFallback();
  const heard: RouteStatus[] = [];
  composite.onStatus(() => {
    throw new Error("no");
  });
  const end = composite.onStatus((status) => heard.push(status));
  control.isAway = true;
  await composite.commit(put(["a"], "1"));
  end();
  await comeBack();
  assertEquals(heard.map(({ serving, prefix, backend }) => [serving, prefix, backend]), [["fallback", [], "memory"]]);
  const plain = new CompositeBackend({ default: new MemoryBackend() });
  assertEquals(plain.status().map(({ serving }) => serving), ["primary"]);
  await plain.close();
  await composite.close();
});

Deno.test("CompositeBackend refuses a fallback that serves another part", () => {
  const [a, b, c] = [new MemoryBackend(), new MemoryBackend(), new MemoryBackend()];
  const sharing = [
    { default: { backend: a, fallback: c }, routes: [{ prefix: ["b"], backend: b, fallback: { fallback: c } }] },
    { default: a, routes: [{ prefix: ["b"], backend: b, fallback: a }] },
    { default: { backend: a, fallback: a } },
  ];
  for (const options of sharing) assertThrows(() => new CompositeBackend(options), TypeError, "fallback");
});

Deno.test("CompositeBackend takes a backend that has a backend of its own for what it is", async () => {
  const inner = new MemoryBackend();
  const outer = Object.assign(new MemoryBackend(), { backend: inner, fallback: inner });
  await using composite = new CompositeBackend({ default: outer, routes: [{ prefix: ["a"], backend: inner }] });
  await composite.commit(put(["k"], "v"));
  assertEquals([await outer.count([]), await inner.count([])], [1, 0]);
});

Deno.test("a listener to the status that fails later harms nothing either", async () => {
  const { composite, control, comeBack } = withFallback();
  composite.onStatus(() => Promise.reject(new Error("no")));
  control.isAway = true;
  await composite.commit(put(["a"], "1"));
  await comeBack();
  await composite.close();
});

Deno.test("a cache measures ages on, when the clock is set back", async () => {
  const clock = new ManualClock();
  const store = new MemoryBackend({ clock });
  await using cached = new CompositeBackend({ default: { backend: store, cache: { maxAgeMs: 1000 } }, clock });
  await store.commit(put(["k"], "1"));
  await cached.get([["k"]]);
  await store.commit(put(["k"], "2")); // by somebody without a cache
  clock.jump(-3_600_000);
  await clock.advance(1000);
  assertEquals((await cached.get([["k"]]))[0]?.value, "2");
});

Deno.test("G10 no expired record: a cache keeps none that expires by another clock", async () => {
  const [clock, here] = [new ManualClock(), new ManualClock()];
  const store = new MemoryBackend({ clock });
  const engine = standIn(store, { traits: { ...store.traits, clock: "engine" } });
  await using cached = new CompositeBackend({ default: { backend: engine, cache: {} }, clock: here });
  await cached.commit(put(["k"], "v", 1000));
  assertEquals((await cached.get([["k"]]))[0]?.value, "v");
  await clock.advance(1000);
  assertEquals(await cached.get([["k"]]), [null]);
});

Deno.test("CompositeBackend refuses what is no listener, no key, no fallback and no cache", async () => {
  const backend = new MemoryBackend();
  await using composite = new CompositeBackend({ default: backend });
  // deno-lint-ignore no-explicit-any -- what a caller without types may pass
  const any = (value: any) => value;
  assertThrows(() => composite.onStatus(any(5)), TypeError, "listener");
  assertThrows(() => composite.statusOf(any(5)), TypeError, "key");
  for (const none of [null, 0, ""]) {
    assertThrows(() => new CompositeBackend({ default: { backend, fallback: any(none) } }), TypeError, "Cannot");
    assertThrows(() => new CompositeBackend({ default: { backend, cache: any(none) } }), TypeError, "Cannot");
  }
});
