/** The Deno KV backend stays within the engine's limits. @module */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DenoKvBackend } from "../../backends/deno_kv.ts";
import { MAX_KEY_BYTES, utf8Length } from "../../src/storage/key.ts";
import { LONG_MS } from "../../src/testing/case.ts";
import { message, QUEUE } from "../../src/testing/steps.ts";
import { until } from "../until.ts";
import { stored, withFaulty } from "./support.ts";

Deno.test("commit() takes a full batch of sends, however long the names are", async () => {
  await withFaulty({}, async (backend) => {
    const queue = ["é".repeat(400)];
    const operations = Array.from(
      { length: 100 },
      (_, index) => message(`${index}${"€".repeat(250)}`, { queue, value: "€".repeat(1400), capacity: 100 }),
    );
    assert((await backend.commit({ operations })).committed);
    const deliveries = await backend.claim(queue, { leaseMs: LONG_MS, limit: 100 });
    assertEquals(deliveries.length, 100);
    const error = "x".repeat(4000);
    assert(
      (await backend.commit({ operations: deliveries.map((each) => ({ ...each, type: "retry", error })) })).committed,
    );
    const again = await backend.claim(queue, { leaseMs: LONG_MS, limit: 100 });
    assertEquals(again.map(({ id, lastError }) => [id, lastError]), deliveries.map(({ id }) => [id, error]));
    assert((await backend.commit({ operations: again.map((each) => ({ ...each, type: "ack" })) })).committed);
  });
});

Deno.test("commit() takes a full batch of long values, as messages and as records", async () => {
  await withFaulty({ timeoutMs: 30_000 }, async (backend, _kv, path) => {
    const value = "v".repeat(5000);
    const operations = Array.from({ length: 100 }, (_, index) => message(`m${index}`, { value, capacity: 100 }));
    assert((await backend.commit({ operations })).committed);
    const sets = operations.map(({ id }) => ({ type: "set", key: ["records", id], value }) as const);
    assert((await backend.commit({ operations: sets })).committed);
    const { o: notes = 0, p: pieces } = await stored(path);
    assertEquals([notes, pieces], [0, 200]);
  });
});

Deno.test("commit() takes a full batch of sends to as many queues", async () => {
  await withFaulty({}, async (backend) => {
    const operations = Array.from(
      { length: 100 },
      (_, index) => message(`message ${index}`, { queue: ["queue", `${index}${"x".repeat(100)}`] }),
    );
    assert((await backend.commit({ operations })).committed);
    assertEquals((await Array.fromAsync(backend.queues())).length, 100);
  });
});

Deno.test("commit() takes a full batch of checks, sets and deletes", async () => {
  await withFaulty({}, async (backend) => {
    const key = (index: number) => ["records", `${index}${"k".repeat(200)}`];
    const sets = Array.from(
      { length: 50 },
      (_, index) => ({ type: "set", key: key(index), value: "v".repeat(5000) }) as const,
    );
    const checks = sets.map(({ key }) => ({ key, version: null }));
    const result = await backend.commit({ checks, operations: sets });
    assert(result.committed);
    const deletes = sets.map(({ key }) => ({ type: "delete", key }) as const);
    assert((await backend.commit({ operations: deletes })).committed);
    assertEquals(await backend.count([]), 0);
  });
});

Deno.test("commit() refuses a batch with more keys than one atomic takes, and leaves the store as it was", async () => {
  await withFaulty({}, async (backend) => {
    const operations = Array.from(
      { length: 100 },
      (_, index) => ({ type: "set", key: [String(index).padEnd(MAX_KEY_BYTES - 1, "x")], value: 1 }) as const,
    );
    const error = await assertRejects(() => backend.commit({ operations }), RangeError);
    assert(/keys and values are too much for one atomic/.test(error.message), error.message);
    assertEquals(await backend.count([]), 0);
    // It was alone with its fate.
    const [refused, ...others] = await Promise.allSettled([
      backend.commit({ operations }),
      ...Array.from({ length: 10 }, (_, index) => backend.commit({ operations: [message(`${index}`)] })),
    ]);
    assertEquals(refused?.status, "rejected");
    assertEquals(others.every(({ status }) => status === "fulfilled"), true);
  });
});

Deno.test("commit() puts concurrent batches together within the engine's limits", async () => {
  await withFaulty({}, async (backend, kv) => {
    await backend.ping();
    kv.committed.length = 0;
    await Promise.all(
      Array.from({ length: 1000 }, (_, index) => backend.commit({ operations: [message(`m${index}`)] })),
    );
    assert(kv.committed.length <= 12, `1,000 sends took ${kv.committed.length} atomics`);
    for (const { checks, mutations } of kv.committed) {
      assert(checks <= 100, `${checks} checks`);
      assert(mutations <= 200, `${mutations} mutations for 100 sends`);
    }
    kv.committed.length = 0;
    const deliveries = await backend.claim(QUEUE, { leaseMs: LONG_MS, limit: 1000 });
    assertEquals(deliveries.map(({ id }) => id), Array.from({ length: 1000 }, (_, index) => `m${index}`));
    await Promise.all(deliveries.map((each) => backend.commit({ operations: [{ ...each, type: "ack" }] })));
    for (const { checks, mutations } of kv.committed) assert(checks <= 100 && mutations <= 1000);
  });
});

Deno.test("list() gives the longest keys in the order of their UTF-8 bytes", async () => {
  await withFaulty({}, async (backend) => {
    const starts = ["a", "b", "é", "€", "\uffff", "\u{10000}", "\u{1f600}"];
    const keys = starts.map((start) => {
      const room = MAX_KEY_BYTES - 1 - utf8Length(start);
      return [start + "é".repeat(Math.floor(room / 2))];
    });
    const shuffled = keys.toSorted((a, b) => String(a[0]?.at(-1)).localeCompare(String(b[0]?.at(-1)))).reverse();
    await backend.commit({ operations: shuffled.map((key) => ({ type: "set", key, value: 1 })) });
    assertEquals((await Array.fromAsync(backend.list([]))).map(({ key }) => key), keys);
  });
});

Deno.test("count(), list() and clear() go over 2,500 records in pages", async () => {
  await withFaulty({}, async (backend) => {
    const keys = Array.from({ length: 2500 }, (_, index) => ["many", String(index).padStart(4, "0")]);
    await Promise.all(keys.map((key) => backend.commit({ operations: [{ type: "set", key, value: 1 }] })));
    assertEquals(await backend.count(["many"]), 2500);
    assertEquals((await Array.fromAsync(backend.list(["many"]))).map(({ key }) => key), keys);
    assertEquals(await backend.clear(["many"]), 2500);
    assertEquals(await backend.count([]), 0);
  });
});

Deno.test("a queue that is used up leaves nothing but its counters, and those are swept", async () => {
  await withFaulty({}, async (backend, _kv, path) => {
    for (let round = 0; round < 3; round++) {
      const queues = Array.from({ length: 100 }, (_, index) => ["queue", `${round} ${index}`]);
      await Promise.all(
        queues.map((queue) => backend.commit({ operations: [message("only", { queue, dedupeMs: 0 })] })),
      );
      const deliveries = await Promise.all(queues.map((queue) => backend.claim(queue, { leaseMs: LONG_MS })));
      await Promise.all(deliveries.flat().map((each) => backend.commit({ operations: [{ ...each, type: "ack" }] })));
    }
    await backend.close(); // which waits for the sweeps
    const { c: counters = 0, ...others } = await stored(path);
    assertEquals(others, { format: 1, w: 1, bell: 1 });
    assert(counters <= 2 * 2 * 100, `${counters} counters are left of 300 queues`);
  });
});

Deno.test("G8 bounded: a parent whose tracked records are gone leaves nothing, and its readers begin from the start", async () => {
  await withFaulty({}, async (backend, kv, path) => {
    const parent = (index: number) => ["memory", `session ${index}${"x".repeat(index % 2 ? 60 : 0)}`];
    const write = async (count: number) => {
      const keys = Array.from({ length: count }, (_, index) => [...parent(index), "note"]);
      for (const key of keys) {
        assert((await backend.commit({ operations: [{ type: "set", key, value: 1, tracked: true }] })).committed);
        if (key[1] !== "session 0") await backend.commit({ operations: [{ type: "delete", key }] });
      }
    };
    await write(90);
    const { cursor } = await backend.changes(parent(1));
    const { f: feeds, g: changes } = await stored(path);
    assertEquals([feeds, changes], [90, 90]);
    // An hour later, the engine has taken away the deletions.
    using engine = await Deno.openKv(path);
    for await (const { key, value } of engine.list({ prefix: ["ao", "g"] })) {
      if (Array.isArray(value) && value[2] === true) await engine.delete(key);
    }
    await Promise.all(
      Array.from({ length: 10 }, (_, index) => backend.commit({ operations: [message("m", { queue: [`${index}`] })] })),
    );
    await until("all but one are gone", async () => (await stored(path)).f === 1);
    assertEquals((await backend.changes(parent(1), cursor)).reset, true);
    assertEquals((await backend.changes(parent(0))).entries.length, 1);
    await write(2);
    assertEquals((await backend.changes(parent(1), cursor)).reset, true);
    assert(kv.conflicts < 10);
    const others = Array.from({ length: 100 }, (_, index) => message("m", { queue: ["other", `${index}`] }));
    assert((await backend.commit({ operations: others })).committed);
    await backend.close(); // which waits for the sweep
    assertEquals((await stored(path)).f, 2, "one has a record, the other a deletion still");
  });
});

Deno.test("messages whose queue and id read alike together are told apart, in one atomic too", async () => {
  await withFaulty({}, async (backend) => {
    const names = [{ queue: ["a"], id: "b\x01c" }, { queue: ["a", "b"], id: "c" }];
    const sent = await Promise.all(
      names.map(({ queue, id }) => backend.commit({ operations: [message(id, { queue })] })),
    );
    assertEquals(sent.map((result) => result.committed && result.results), [
      [{ type: "enqueue", duplicate: false }],
      [{ type: "enqueue", duplicate: false }],
    ]);
    const claimed = await Promise.all(names.map(({ queue }) => backend.claim(queue, { leaseMs: LONG_MS })));
    assertEquals(claimed.flat().map(({ queue, id }) => ({ queue, id })), names);
    const acked = await Promise.all(
      claimed.flat().map((each) => backend.commit({ operations: [{ ...each, type: "ack" }] })),
    );
    assertEquals(acked.map(({ committed }) => committed), [true, true]);
  });
});

Deno.test("a client that takes ten checks at once, as npm:@deno/kv, is given no more", async () => {
  await withFaulty({}, async (backend, kv) => {
    kv.maxChecks = 10;
    const all = Array.from({ length: 60 }, (_, index) => index);
    const send = (index: number) => message(`message ${index}`, { queue: ["queue", `${index % 30}`], capacity: 50 });
    const sent = await Promise.all(all.map((index) => backend.commit({ operations: [send(index)] })));
    assertEquals(sent.filter(({ committed }) => !committed), []);
    const claimed = await Promise.all(
      all.map((index) => backend.claim(["queue", `${index % 30}`], { leaseMs: 1, limit: 1 })),
    );
    assertEquals(claimed.flat().length, 60);
    await until("all leases have ended", async () => {
      const stats = await Promise.all(all.slice(0, 30).map((index) => backend.stats(["queue", `${index}`])));
      return stats.every(({ ready }) => ready === 2);
    });
    const again = await Promise.all(
      all.slice(0, 30).map((index) => backend.claim(["queue", `${index}`], { leaseMs: LONG_MS, limit: 2 })),
    );
    const acks = again.flat().map((each) => backend.commit({ operations: [{ ...each, type: "ack" }] }));
    assertEquals((await Promise.all(acks)).filter(({ committed }) => committed).length, 60);
    for (const index of all) {
      await backend.commit({
        operations: [{ type: "set", key: ["records", `${index}`, "x"], value: 1, tracked: true }],
      });
    }
    assertEquals(await backend.clear(["records"]), 60);
    const sets = all.slice(0, 11).map((index) => ({ type: "set", key: ["set", `${index}`], value: 1 }) as const);
    await assertRejects(() => backend.commit({ operations: sets }), RangeError, "TooManyChecks");
  });
});

Deno.test("DenoKvBackend says ten to a batch where the engine may check no more, and what it was told", async () => {
  const kv = await Deno.openKv(":memory:");
  const sizes = [{ path: ":memory:" }, { kv }, { url: "https://kv.example/db" }, { kv, maxBatchSize: 50 }]
    .map((options) => new DenoKvBackend(options).traits.maxBatchSize);
  assertEquals(sizes, [100, 10, 10, 50]);
  for (const maxBatchSize of [9, 101, 10.5]) assertThrows(() => new DenoKvBackend({ maxBatchSize }), RangeError);
  kv.close();
});
