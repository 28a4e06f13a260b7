/** The journal of a fallback, where writes and the synchronisation run into one another. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FallbackBackend } from "../../backends/composite/fallback.ts";
import type { FallbackOptions } from "../../backends/composite/options.ts";
import type { FallbackChange } from "../../backends/composite/switch.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import {
  BackendUnavailableError,
  JournalFullError,
  OutcomeUnknownError,
  ValueTooLargeError,
} from "../../src/errors.ts";
import type { Batch, StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { message, QUEUE } from "../../src/testing/steps.ts";
import { standIn, turn } from "../storage/stand_in.ts";
import { flaky, primaryServes, put, synchronised } from "./flaky_backend.ts";

/** A primary that is away, and its fallback; both outlive the backend, and single methods of either can be replaced. */
function open(options: Partial<FallbackOptions> = {}) {
  const clock = new ManualClock();
  const stores = { primary: new MemoryBackend({ clock }), fallback: new MemoryBackend({ clock }) };
  const stay = { close: () => Promise.resolve() };
  const methods: Record<"primary" | "fallback", Partial<StorageBackend>> = {
    primary: { ...stay },
    fallback: { ...stay },
  };
  const { backend: primary, control } = flaky(standIn(stores.primary, methods.primary));
  const fallback = standIn(stores.fallback, methods.fallback);
  const begin = (onChange = (_change: FallbackChange) => {}) =>
    new FallbackBackend(primary, { queues: true, ...options, fallback }, clock, onChange);
  const comeBack = async (backend: FallbackBackend) => {
    control.isAway = false;
    await synchronised(backend, clock);
  };
  control.isAway = true;
  return { clock, stores, methods, control, begin, comeBack };
}

const valuesOf = async (backend: StorageBackend) => (await Array.fromAsync(backend.list([]))).map(({ value }) => value);

Deno.test("G1 nothing accepted is lost: writes of one record at the same time leave no mark behind, which the next process would follow", async () => {
  const { stores, control, begin, comeBack } = open();
  const first = begin();
  await first.get([["other"]]);
  await Promise.all(["1", "2", "3"].map((value) => first.commit(put(["k"], value))));
  await comeBack(first);
  assertEquals(await valuesOf(stores.primary), ["3"]);
  assertEquals(await stores.fallback.count([]), 0);
  await first.close();
  control.isAway = false;
  const second = begin();
  assertEquals((await second.get([["k"]]))[0]?.value, "3");
  await comeBack(second);
  assertEquals(await valuesOf(stores.primary), ["3"]);
  await second.close();
});

Deno.test("G1 nothing accepted is lost: what is written while it is marked as brought is brought to the primary too", async () => {
  const { stores, methods, begin, comeBack } = open();
  const backend = begin();
  // More than go at once, so that calls do not wait for the switch back.
  for (let n = 0; n < 60; n++) await backend.commit(put(["k", `${n}`], "1"));
  const written: Promise<unknown>[] = [];
  methods.fallback.commit = (batch) => {
    const result = stores.fallback.commit(batch);
    for (const operation of batch.operations) {
      const mark = operation.type === "set" ? JSON.stringify(operation.value) : "";
      const key: string[] = mark.includes("brought") ? JSON.parse(mark).target : [];
      if (key.length > 0 && written.length < 60) written.push(backend.commit(put(key, "2")));
    }
    return result;
  };
  await comeBack(backend);
  assertEquals(written.length, 60);
  await Promise.all(written);
  await comeBack(backend);
  assertEquals(await valuesOf(stores.primary), Array(60).fill("2"));
  await backend.close();
});

Deno.test("G1 nothing accepted is lost: a message that is sent while its queue is found empty is brought to the primary too", async () => {
  const { stores, methods, begin, comeBack } = open();
  const backend = begin();
  const ids = Array.from({ length: 60 }, (_, n) => `m${n}`);
  for (const id of ids) await backend.commit({ operations: [message(id)] });
  let late: Promise<unknown> | null = null;
  methods.fallback.stats = async (queue) => {
    const stats = await stores.fallback.stats(queue);
    if (stats.ready === 0) late ??= backend.commit({ operations: [message("late")] });
    return stats;
  };
  await comeBack(backend);
  await late;
  await comeBack(backend);
  assertEquals((await stores.primary.stats(QUEUE)).ready, 61);
  assertEquals(await Array.fromAsync(stores.fallback.queues()), []);
  await backend.close();
});

Deno.test("a primary that takes ten operations at once, as Deno KV on Node, is synchronised", async () => {
  const { stores, methods, begin, comeBack } = open();
  const backend = begin();
  for (let n = 0; n < 30; n++) await backend.commit(put(["k", `${n}`], "v"));
  methods.primary.commit = (batch) =>
    batch.operations.length > 10 ? Promise.reject(new RangeError("too many checks")) : stores.primary.commit(batch);
  await comeBack(backend);
  assertEquals(await stores.primary.count(["k"]), 30);
  await backend.close();
});

Deno.test("a value that the primary could never take is refused in the outage already", async () => {
  const { stores, methods, begin, comeBack } = open();
  Object.assign(methods.primary, { traits: { ...stores.primary.traits, maxValueBytes: 1000 } });
  const backend = begin();
  await backend.commit(put(["small"], "é".repeat(499)));
  await assertRejects(() => backend.commit(put(["large"], "é".repeat(500))), ValueTooLargeError, "1002");
  await comeBack(backend);
  assertEquals(await stores.primary.count([]), 1);
  await backend.close();
});

Deno.test("a full journal refuses to clear another prefix", async () => {
  const { begin, comeBack } = open({ maxJournal: 2 });
  const backend = begin();
  await backend.clear(["a"]);
  await backend.clear(["b"]);
  await backend.clear(["a"]);
  await assertRejects(() => backend.clear(["c"]), JournalFullError);
  await comeBack(backend);
  await backend.clear(["c"]);
  await backend.close();
});

Deno.test("what is written with the end of a fallback's delivery is there at once when the primary is back", async () => {
  const { stores, clock, control, begin, comeBack } = open();
  const backend = begin();
  await backend.commit({ operations: [message("a"), message("b")] });
  const deliveries = await backend.claim(QUEUE, { leaseMs: 3_600_000, limit: 2 });
  control.isAway = false;
  await primaryServes(backend, clock);
  for (const { queue, id, token } of deliveries) {
    const done: Batch = { operations: [{ type: "ack", queue, id, token }, { type: "set", key: ["done"], value: id }] };
    assertEquals((await backend.commit(done)).committed, true);
    assertEquals((await backend.get([["done"]]))[0]?.value, id);
    await backend.commit(put(["done"], `${id} and more`));
  }
  await comeBack(backend);
  assertEquals(await valuesOf(stores.primary), ["b and more"]);
  await backend.close();
  assertEquals(clock.timers, 0);
});

Deno.test("deliveries of the fallback that end at the same time follow one after the other", async () => {
  const { stores, clock, control, begin, comeBack } = open();
  const backend = begin();
  const ids = ["a", "b", "c"];
  await backend.commit({ operations: ids.map((id) => message(id)) });
  const deliveries = await backend.claim(QUEUE, { leaseMs: 3_600_000, limit: 3 });
  control.isAway = false;
  await primaryServes(backend, clock);
  await Promise.all(
    deliveries.map(({ queue, id, token }) =>
      backend.commit({ operations: [{ type: "ack", queue, id, token }, { type: "set", key: [id], value: id }] })
    ),
  );
  assertEquals(await valuesOf(stores.primary), ids);
  await comeBack(backend);
  await backend.close();
});

Deno.test("listen() does not wait for a primary that is away", async () => {
  const { control, begin } = open();
  const backend = begin();
  await backend.get([["k"]]);
  const { calls } = control;
  const unlisten = await backend.listen(QUEUE, () => {});
  assertEquals(control.calls, calls);
  await unlisten();
  await backend.close();
});

Deno.test("G13 clean closing: close() does not wait for the answer of a primary that is away", async () => {
  const { methods, clock, begin, control } = open();
  const backend = begin();
  await backend.get([["k"]]);
  control.isAway = false;
  methods.primary.ping = () => new Promise(() => {});
  await clock.advance(1000);
  await backend.close();
  assertEquals(clock.timers, 0);
});

Deno.test("G12 outages end: one that begins at the very moment of the switch back ends too", async () => {
  for (let moment = 0; moment < 30; moment++) {
    const { control, begin, comeBack } = open();
    let calls = 0;
    const backend = begin(async ({ serving }) => {
      if (serving !== "primary" || calls++ > 0) return;
      control.isAway = true;
      for (let turn = 0; turn < moment; turn++) await Promise.resolve();
      await backend.get([["k"]]);
      control.isAway = false;
    });
    await backend.commit(put(["k"], "v"));
    await comeBack(backend);
    assertEquals([calls > 0, (await backend.get([["k"]]))[0]?.value], [true, "v"]);
    await backend.close();
  }
});

Deno.test("a process that finds writes of an earlier one brings them to the primary before it answers", async () => {
  for (const count of [1, 250]) {
    const { stores, control, begin } = open();
    await stores.primary.commit(put(["before"], "the outage"));
    const first = begin();
    for (let n = 0; n < count; n++) await first.commit(put(["during", `${n}`], "the outage"));
    await first.close();
    control.isAway = false;
    const second = begin();
    const found = await Promise.all([["before"], ["during", "0"]].map((key) => second.get([key])));
    assertEquals(found.map(([entry]) => entry?.value), ["the outage", "the outage"]);
    assertEquals([second.status.serving, second.status.journalled], ["primary", 0]);
    await second.close();
  }
});

Deno.test("a process that finds writes of an earlier one serves them, while the primary is away still", async () => {
  const { begin, comeBack, stores } = open();
  const first = begin();
  await first.commit(put(["k"], "v"));
  await first.close();
  const second = begin();
  assertEquals((await second.get([["k"]]))[0]?.value, "v");
  await comeBack(second);
  assertEquals(await valuesOf(stores.primary), ["v"]);
  await second.close();
});

Deno.test("a call waits for what an earlier process left, but not without bound", async () => {
  const { stores, methods, control, clock, begin } = open();
  const first = begin();
  await first.commit(put(["k"], "v"));
  await first.close();
  control.isAway = false;
  let release = () => {};
  methods.primary.commit = async (batch) => {
    await new Promise<void>((resolve) => release = resolve);
    return await stores.primary.commit(batch);
  };
  const second = begin();
  const failing = assertRejects(() => second.get([["k"]]), BackendUnavailableError, "an earlier process");
  await clock.advance(10_000);
  await failing;
  delete methods.primary.commit;
  release();
  assertEquals((await second.get([["k"]]))[0]?.value, "v");
  await second.close();
  assertEquals(clock.timers, 0);
});

Deno.test("messages are brought to the primary in their order, several at once", async () => {
  const { stores, methods, begin, comeBack } = open();
  const backend = begin();
  const ids = Array.from({ length: 95 }, (_, n) => `m${n}`);
  for (const id of ids) await backend.commit({ operations: [message(id, { delayMs: id > "m8" ? 60_000 : 0 })] });
  let commits = 0;
  methods.primary.commit = (batch) => {
    commits++;
    return stores.primary.commit(batch);
  };
  await comeBack(backend);
  assert(commits <= 12, `${commits} commits`);
  const moved = [
    ...await Array.fromAsync(stores.primary.messages(QUEUE, "ready")),
    ...await Array.fromAsync(stores.primary.messages(QUEUE, "delayed")),
  ];
  assertEquals(moved.map(({ id }) => id), [...ids.filter((id) => id <= "m8"), ...ids.filter((id) => id > "m8")]);
  await backend.close();
});

Deno.test("a synchronisation that breaks off waits for what is on its way, which would overwrite what comes later", async () => {
  const { stores, methods, control, clock, begin, comeBack } = open();
  const backend = begin();
  for (let n = 0; n < 20; n++) await backend.commit(put(["k", `${n}`], "1"));
  let release = () => {};
  let commits = 0;
  methods.primary.commit = async (batch) => {
    if (++commits > 1) throw new BackendUnavailableError("away");
    await new Promise<void>((resolve) => release = resolve);
    return await stores.primary.commit(batch);
  };
  control.isAway = false;
  await clock.advance(1000);
  assertEquals([commits, backend.status.serving], [2, "synchronising"]);
  release();
  await clock.advance(0);
  assertEquals(backend.status.serving, "fallback");
  delete methods.primary.commit;
  await backend.commit(put(["k", "0"], "2"));
  await comeBack(backend);
  assertEquals((await valuesOf(stores.primary)).toSorted(), [...Array(19).fill("1"), "2"]);
  await backend.close();
});

Deno.test("a write to the fallback of which nobody knows whether it happened leaves no mark behind", async () => {
  for (const happens of [true, false]) {
    const { stores, methods, begin, comeBack } = open();
    await stores.primary.commit(put(["k"], "0"));
    const backend = begin();
    await backend.get([["k"]]);
    methods.fallback.commit = async (batch) => {
      delete methods.fallback.commit;
      if (happens) await stores.fallback.commit(batch);
      throw new OutcomeUnknownError("the answer was lost");
    };
    await assertRejects(() => backend.commit(put(["k"], "1")), OutcomeUnknownError);
    if (happens) await backend.commit(put(["k"], "2"));
    await comeBack(backend);
    assertEquals([await valuesOf(stores.primary), await stores.fallback.count([])], [[happens ? "2" : "0"], 0]);
    await backend.close();
  }
});

Deno.test("a large batch of deletions takes effect at the primary when it happened, and only then", async () => {
  const { stores, begin, comeBack, control } = open();
  const operations = Array.from({ length: 99 }, (_, n) => ({ type: "delete", key: ["k", `${n}`] }) as const);
  for (const { key } of operations) await stores.primary.commit(put(key, "v"));
  const backend = begin();
  const refused = await backend.commit({ checks: [{ key: ["none"], version: "1" }], operations });
  assertEquals(refused.committed, false);
  await comeBack(backend);
  assertEquals(await stores.primary.count(["k"]), 99);
  control.isAway = true;
  assertEquals((await backend.commit({ operations })).committed, true);
  await comeBack(backend);
  assertEquals(await stores.primary.count(["k"]), 0);
  await backend.close();
});

Deno.test("a large batch in which the process ends leaves at the primary what was before it, or what came of it", async () => {
  for (const happens of [true, false]) {
    const { stores, methods, begin, comeBack } = open();
    await stores.primary.commit(put(["k", "0"], "older"));
    const first = begin();
    await first.commit(put(["k", "0"], "newer"));
    methods.fallback.commit = async (batch) => {
      if (batch.operations[0]?.type !== "delete") return await stores.fallback.commit(batch);
      if (happens) await stores.fallback.commit(batch);
      return await new Promise(() => {}); // nobody is there any more
    };
    const operations = Array.from({ length: 99 }, (_, n) => ({ type: "delete", key: ["k", `${n}`] }) as const);
    void first.commit({ operations });
    await turn();
    delete methods.fallback.commit;
    const second = begin();
    await second.get([["k", "0"]]);
    await comeBack(second);
    assertEquals(await valuesOf(stores.primary), happens ? [] : ["newer"]);
    await second.close();
  }
});

Deno.test("what is written after a clear() that comes during a synchronisation follows it", async () => {
  const { stores, methods, begin, comeBack } = open();
  const backend = begin();
  // More than go at once, so that calls do not wait for the switch back.
  for (let n = 0; n < 60; n++) await backend.commit(put(["k", `${n}`], "before"));
  let written: Promise<unknown> | null = null;
  methods.primary.commit = async (batch) => {
    const result = await stores.primary.commit(batch);
    written ??= backend.clear(["k"]).then(() => backend.commit(put(["k", "59"], "after")));
    await written;
    return result;
  };
  // All but the first of them are brought over once that has happened.
  methods.fallback.get = async (keys) => {
    while (written === null && keys.some((key) => key[1] === "59")) await turn();
    await written;
    return await stores.fallback.get(keys);
  };
  await comeBack(backend);
  assertEquals(await valuesOf(stores.primary), ["after"]);
  await backend.close();
});

Deno.test("G7 atomic batches: one that has no room for its marks is done in full or not at all, where the process ends in it", async () => {
  const names = Array.from({ length: 100 }, (_, n) => `${n}`);
  // Of nothing, of a record that is in the fallback, and of one of which nobody knows whether it came to be.
  for (const before of ["none", "written", "refused"]) {
    for (let fatal = 1; fatal <= 3; fatal++) {
      const { stores, methods, begin, comeBack } = open();
      for (const name of names) await stores.primary.commit(put(["k", name], "old"));
      const first = begin();
      await first.get([["k", "0"]]);
      const earlier = names.map((name) => ({ type: "set", key: ["k", name], value: "old" }) as const);
      if (before === "written") await first.commit({ operations: earlier.slice(0, 60) });
      if (before === "refused") {
        await first.commit({ operations: earlier.slice(1), checks: [{ key: ["x"], version: "1" }] });
      }
      let commits = 0;
      methods.fallback.commit = async (batch) => {
        commits++;
        const result = await stores.fallback.commit(batch);
        return commits < fatal ? result : await new Promise(() => {}); // nobody is there any more
      };
      void first.commit({
        operations: names.map((name, n) =>
          n % 3 === 0 ? { type: "set", key: ["k", name], value: "new" } : { type: "delete", key: ["k", name] }
        ),
      });
      await turn();
      delete methods.fallback.commit;
      const second = begin();
      await second.get([["k", "0"]]);
      await comeBack(second);
      const values = await valuesOf(stores.primary);
      const isWhole = values.length === 34 ? new Set(values).has("new") : values.length === 100;
      assert(isWhole && new Set(values).size === 1, `${before}, ${fatal}: ${values.length} ${[...new Set(values)]}`);
      await second.close();
    }
  }
});

Deno.test("a large batch that is refused as a mistake leaves nothing behind that could not be synchronised", async () => {
  const { stores, begin, comeBack } = open();
  const backend = begin();
  await backend.commit(put(["k"], "v"));
  const keys = [...Array.from({ length: 99 }, (_, n) => ["k", `${n}`]), []];
  await assertRejects(() => backend.commit({ operations: keys.map((key) => ({ type: "delete", key })) }), RangeError);
  await comeBack(backend);
  assertEquals(await valuesOf(stores.primary), ["v"]);
  await backend.close();
});

Deno.test("a large batch tells for each deletion whether there was something to delete", async () => {
  const { begin } = open();
  const backend = begin();
  await backend.commit(put(["k", "7"], "v"));
  const operations = Array.from({ length: 100 }, (_, n) => ({ type: "delete", key: ["k", `${n}`] }) as const);
  const result = await backend.commit({ operations });
  const existed = result.committed && result.results.map((done) => done.type === "delete" && done.existed);
  assertEquals(existed, operations.map((_, n) => n === 7));
  await backend.close();
});

Deno.test("G1 nothing accepted is lost: what was brought to the primary is found until that serves, and when it is away again before", async () => {
  const { stores, methods, begin, comeBack } = open();
  const backend = begin();
  // More than go at once, so that calls do not wait for all of the synchronisation.
  const keys = Array.from({ length: 150 }, (_, n) => ["k", `${n}`]);
  for (const key of keys) await backend.commit(put(key, "v"));
  const seen: unknown[] = [];
  let commits = 0;
  methods.primary.commit = async (batch) => {
    if (++commits > 12) throw new BackendUnavailableError("away again");
    return await stores.primary.commit(batch);
  };
  const count = async () => seen.push((await backend.get(keys)).filter((entry) => entry !== null).length);
  await assertRejects(() => comeBack(backend)); // it never comes back
  await count();
  assertEquals(backend.status.serving, "fallback");
  assert(await stores.primary.count(["k"]) > 50, "much of it is at the primary already");
  await backend.commit({ checks: [], operations: [{ type: "delete", key: ["k", "0"] }] });
  await count();
  delete methods.primary.commit;
  await comeBack(backend);
  await count();
  assertEquals(seen, [150, 149, 149]);
  assertEquals([await stores.primary.count(["k"]), await stores.fallback.count([])], [149, 0]);
  await backend.close();
});
