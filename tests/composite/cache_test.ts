/** A cache in front of a child that others write to, and that fails: nothing is read that is older than promised. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { CompositeBackend } from "../../backends/composite.ts";
import { CachedBackend } from "../../backends/composite/cache.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { deferred } from "../../src/storage/es2024.ts";
import type { Key } from "../../src/storage/key.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { standIn, turn } from "../storage/stand_in.ts";
import { flaky, put } from "./flaky_backend.ts";

/** Caches of two processes in front of one store, of which single methods can be replaced for the first. */
function open() {
  const clock = new ManualClock();
  const store = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = { close: () => Promise.resolve() };
  let reads = 0;
  const counted = standIn(store, { get: (keys) => (reads++, store.get(keys)) });
  const here = new CachedBackend(standIn(counted, methods), [], { maxAgeMs: 1000, maxEntries: 3 }, clock);
  const there = new CachedBackend(standIn(store, { close: () => Promise.resolve() }), [], {}, clock);
  const valueOf = async (backend: StorageBackend, key: Key = ["k"]) => (await backend.get([key]))[0]?.value;
  /** Has reads of the first one wait with what they have found, until the returned function is called. */
  const holdReads = () => {
    const late = deferred<void>();
    methods.get = async (keys) => {
      const entries = await store.get(keys);
      await late.promise;
      return entries;
    };
    return () => late.resolve();
  };
  const close = async () => void await Promise.all([here.close(), there.close(), store.close()]);
  return { clock, store, methods, here, there, valueOf, reads: () => reads, holdReads, close };
}

Deno.test("a cache reads anew what was checked, once a check has failed", async () => {
  const { store, here, valueOf, close } = open();
  await store.commit(put(["guard"], "1"));
  const [before] = await here.get([["guard"]]);
  await store.commit(put(["guard"], "2")); // by somebody without a cache, who tells nobody
  const guarded = (version: string | undefined, what: readonly string[]) =>
    here.commit({ checks: [{ key: ["guard"], version: version ?? null }], operations: put(what, "v").operations });
  assertEquals((await guarded(before?.version, ["k"])).committed, false);
  assertEquals(await valueOf(here, ["guard"]), "2");
  const [after] = await here.get([["guard"]]);
  assertEquals((await guarded(after?.version, ["k"])).committed, true);
  await close();
});

Deno.test("a clear() that breaks off leaves nothing in the cache, and one that nobody hears of has happened", async () => {
  const { store, methods, here, there, clock, valueOf, close } = open();
  for (const key of ["a", "b"]) await store.commit(put(["p", key], "v"));
  const read = () => Promise.all(["a", "b"].map((key) => valueOf(here, ["p", key])));
  assertEquals(await read(), ["v", "v"]);
  methods.clear = async () => {
    await store.commit({ operations: [{ type: "delete", key: ["p", "a"] }] });
    throw new BackendUnavailableError("away");
  };
  await assertRejects(() => here.clear(["p"]), BackendUnavailableError);
  assertEquals(await read(), [undefined, "v"]);
  delete methods.clear;
  assertEquals(await valueOf(there, ["p", "b"]), "v");
  methods.commit = () => Promise.reject(new BackendUnavailableError("away"));
  assertEquals(await here.clear(["p"]), 1);
  assertEquals(await valueOf(here, ["p", "b"]), undefined);
  await clock.advance(1000); // which is what the other waits where it does not hear of it
  assertEquals(await valueOf(there, ["p", "b"]), undefined);
  await close();
});

Deno.test("a cache forgets what another process has cleared or deleted", async () => {
  const { here, there, valueOf, close } = open();
  for (const change of ["clear", "delete"] as const) {
    await there.commit(put(["p", "k"], change));
    assertEquals(await valueOf(here, ["p", "k"]), change);
    if (change === "clear") await there.clear(["p"]);
    else await there.commit({ operations: [{ type: "delete", key: ["p", "k"] }] });
    await turn();
    assertEquals(await valueOf(here, ["p", "k"]), undefined);
  }
  await close();
});

Deno.test("a cache keeps nothing that was read before a change and came after it", async () => {
  const { store, methods, here, there, valueOf, holdReads, close } = open();
  await store.commit(put(["k"], "old"));
  await valueOf(here, ["other"]);
  for (const writer of [here, there]) {
    const letRead = holdReads();
    const reading = valueOf(here);
    await turn();
    await writer.commit(put(["k"], "new"));
    letRead();
    await reading;
    delete methods.get;
    assertEquals(await valueOf(here), "new");
    await writer.commit(put(["k"], "old"));
  }
  await close();
});

Deno.test("a cache keeps the later of two reads, whichever comes first", async () => {
  const { clock, store, methods, here, valueOf, holdReads, close } = open();
  await store.commit(put(["k"], "old"));
  await valueOf(here, ["other"]);
  const letRead = holdReads();
  const first = valueOf(here);
  await turn();
  delete methods.get;
  await clock.advance(10);
  await store.commit(put(["k"], "new")); // by somebody without a cache
  assertEquals(await valueOf(here), "new");
  letRead();
  assertEquals([await first, await valueOf(here)], ["old", "new"]);
  await close();
});

Deno.test("a cache keeps no large records, and no more than it may", async () => {
  const { store, here, reads, close } = open();
  const keys = ["a", "b", "c", "d"].map((key) => [key]);
  for (const key of keys) await store.commit(put(key, "v"));
  await store.commit(put(["large"], "x".repeat(65_536)));
  const readsOf = async (key: Key) => {
    const before = reads();
    await here.get([key]);
    return reads() - before;
  };
  assertEquals([await readsOf(["large"]), await readsOf(["large"])], [1, 1]);
  const first = await Promise.all(keys.slice(0, 3).map(readsOf));
  assertEquals([first.length, await readsOf(["a"])], [3, 0]);
  assertEquals(
    [await readsOf(["d"]), await readsOf(["a"]), await readsOf(["b"])],
    [1, 0, 1],
    "b was used least recently",
  );
  await close();
});

Deno.test("a cache hands on what it was asked, whatever the caller does to it meanwhile", async () => {
  const { store, here, valueOf, close } = open();
  await store.commit(put(["k"], "1"));
  const key = ["k"];
  const reading = here.get([key]);
  key[0] = "changed";
  assertEquals((await reading)[0]?.value, "1");
  const written = ["k"];
  const writing = here.commit(put(written, "2"));
  written[0] = "changed";
  await writing;
  assertEquals(await valueOf(here), "2");
  await close();
});

Deno.test("a cache whose child is away fails for what it does not have, and serves what it has as long as it is fresh", async () => {
  const { clock, store, methods, here, valueOf, close } = open();
  await store.commit(put(["k"], "v"));
  await valueOf(here);
  methods.get = () => Promise.reject(new BackendUnavailableError("away"));
  assertEquals(await valueOf(here), "v");
  await assertRejects(() => valueOf(here, ["other"]), BackendUnavailableError);
  await clock.advance(1000);
  await assertRejects(() => valueOf(here), BackendUnavailableError);
  await close();
});

Deno.test("a cache in front of a fallback keeps nothing of the one that does not serve any more", async () => {
  const clock = new ManualClock();
  const { backend: primary, control } = flaky(new MemoryBackend({ clock }));
  const fallback = new MemoryBackend({ clock });
  await using cached = new CompositeBackend({
    default: { backend: primary, fallback: { fallback, probeIntervalMs: 10 }, cache: { maxAgeMs: 3_600_000 } },
    clock,
  });
  const read = async () => (await cached.get([["before"], ["during"]])).map((entry) => entry?.value);
  await cached.commit(put(["before"], "v"));
  assertEquals(await read(), ["v", undefined]);
  control.isAway = true;
  await cached.commit(put(["during"], "v"));
  assertEquals(await read(), [undefined, "v"]);
  control.isAway = false;
  await clock.advance(1000);
  assertEquals(await read(), ["v", "v"]);
});
