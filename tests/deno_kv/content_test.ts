/** Long values are stored in pieces, never cut, and never left behind. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { DenoKvBackend } from "../../backends/deno_kv.ts";
import { MAX_VALUE_BYTES } from "../../backends/deno_kv/content.ts";
import { OutcomeUnknownError, ValueTooLargeError } from "../../src/errors.ts";
import { LONG_MS } from "../../src/testing/case.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { claimOne, commit, lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { stored, withFaulty, withPath } from "./support.ts";

const MEGABYTE = 1024 * 1024;

Deno.test("a value of 16 MiB comes back whole, as a record and as a message", async () => {
  await withFaulty({ timeoutMs: 30_000 }, async (backend) => {
    const value = "é".repeat((MAX_VALUE_BYTES - 2) / 2);
    await commit(backend, [record(["key"], value)]);
    const [entry] = await backend.get([["key"]]);
    assert(entry?.value === value, "the record is not what was stored");
    await commit(backend, [message("a", { value })]);
    assert((await claimOne(backend)).value === value, "the message is not what was sent");
  });
});

Deno.test("a value of more than 16 MiB is refused, and the store is as it was", async () => {
  await withFaulty({}, async (backend, _kv, path) => {
    await commit(backend, [record(["key"], 1)]);
    const value = "x".repeat(MAX_VALUE_BYTES);
    const error = await assertRejects(() => commit(backend, [record(["key"], value)]), ValueTooLargeError);
    assert(error.message.includes(`${MAX_VALUE_BYTES + 2} bytes`), error.message);
    assertEquals((await backend.get([["key"]]))[0]?.value, 1);
    assertEquals(await stored(path), { format: 1, k: 1 });
  });
});

Deno.test("pieces are gone when their record is replaced, deleted or cleared", async () => {
  await withFaulty({}, async (backend, _kv, path) => {
    for (const length of [3000, 100_000, MEGABYTE]) {
      const value = "x".repeat(length);
      await commit(backend, [record(["a"], value), record(["b"], value), record(["c"], value)]);
      await commit(backend, [record(["a"], value.replace("x", "y"))]);
      assertEquals(await stored(path).then(({ p = 0 }) => p), 3 * Math.ceil((length + 2) / (60 * 1024)));
      await commit(backend, [record(["a"], 1), { type: "delete", key: ["b"] }]);
      assertEquals(await backend.clear([]), 2);
      assertEquals(await stored(path), { format: 1 });
    }
  });
});

Deno.test("pieces are gone when their message is acknowledged or purged, or never came in", async () => {
  await withFaulty({}, async (backend, _kv, path) => {
    for (const length of [3000, MEGABYTE]) {
      const value = "x".repeat(length);
      const options = { value, dedupeMs: 0, capacity: 2 };
      await commit(backend, [message("a", options), message("b", options)]);
      const { p: before } = await stored(path);
      await commit(backend, [message("a", options)]); // a duplicate
      assertEquals((await backend.commit({ operations: [message("c", options)] })).committed, false); // full
      assertEquals((await stored(path)).p, before);
      await commit(backend, [{ type: "ack", ...lease(await claimOne(backend)) }]);
      await commit(backend, [{ type: "purge", queue: QUEUE, id: "b" }]);
      const { p = 0, o = 0, i = 0, m = 0 } = await stored(path);
      assertEquals({ p, o, i, m }, { p: 0, o: 0, i: 0, m: 0 });
    }
  });
});

Deno.test("pieces of a message stay with it through retries, redelivery and the dead", async () => {
  await withFaulty({}, async (backend) => {
    const value = "x".repeat(100_000);
    await commit(backend, [message("a", { value, maxAttempts: 2 })]);
    await commit(backend, [{ type: "retry", ...lease(await claimOne(backend)) }]);
    await commit(backend, [{ type: "retry", ...lease(await claimOne(backend)) }]);
    assertEquals((await Array.fromAsync(backend.messages(QUEUE, "dead")))[0]?.value, value);
    await commit(backend, [{ type: "redrive", queue: QUEUE, id: "a" }]);
    assertEquals((await claimOne(backend)).value, value);
  });
});

Deno.test("pieces of a record that expires are told to the engine to expire after it", async () => {
  await withFaulty({}, async (backend, kv) => {
    const kept: (number | undefined)[] = [];
    kv.onSet = (key, expireIn) => {
      if (["k", "p"].includes(String(key[1]))) kept.push(expireIn);
    };
    for (const length of [3000, MEGABYTE]) await commit(backend, [record(["key"], "x".repeat(length), 5000)]);
    assertEquals(kept.length, 2 + 1 + Math.ceil((MEGABYTE + 2) / (60 * 1024)));
    assert(kept.every((expireIn = 0) => expireIn > 5000 && expireIn < 5000 + 120_000), `${kept}`);
  });
});

Deno.test("what a crash leaves of a long value is deleted later, and what lives is not", async () => {
  const clock = new ManualClock();
  await withFaulty({ clock }, async (backend, kv, path) => {
    const value = "x".repeat(MEGABYTE);
    await commit(backend, [record(["kept"], value)]);
    const { p: pieces = 0 } = await stored(path);
    // The pieces are written, and then the process ends.
    const from = kv.committed.length;
    kv.commits = (number) => number === from + 4 ? "broken" : "none";
    await assertRejects(() => commit(backend, [record(["lost"], value)]), OutcomeUnknownError);
    assertEquals(await backend.get([["lost"]]), [null]);
    assertEquals((await stored(path)).p, 2 * pieces);
    // It could still be under way.
    await backend.recover();
    await backend.close();
    assertEquals((await stored(path)).p, 2 * pieces);
    await clock.advance(LONG_MS);
    const next = new DenoKvBackend({ path, clock });
    assertEquals((await next.get([["kept"]]))[0]?.value, value);
    await next.close(); // which waits for the sweep
    assertEquals(await stored(path), { format: 1, k: 1, p: pieces });
  });
});

Deno.test("a writer that was believed dead cannot commit what has been swept", async () => {
  const clock = new ManualClock();
  await withFaulty({ clock, timeoutMs: 1000 }, async (backend, kv, path) => {
    await backend.ping();
    const from = kv.committed.length;
    kv.beforeCommit = async () => {
      if (kv.committed.length !== from + 4) return;
      kv.beforeCommit = () => Promise.resolve();
      await clock.advance(LONG_MS);
      const other = new DenoKvBackend({ path, clock });
      await other.ping();
      await other.close();
    };
    await assertRejects(() => commit(backend, [record(["late"], "x".repeat(MEGABYTE))]));
    assertEquals(await backend.get([["late"]]), [null]);
    assertEquals((await stored(path)).p, undefined);
  });
});

Deno.test("a reader sees a whole value while another handle replaces it", async () => {
  await withPath(async (path) => {
    await using writer = new DenoKvBackend({ path });
    await using reader = new DenoKvBackend({ path });
    const values = ["a", "b", "c"].map((letter) => letter.repeat(200_000));
    await commit(writer, [record(["key"], values[0] ?? "")]);
    let writing = true;
    const written = (async () => {
      for (let round = 0; round < 30; round++) await commit(writer, [record(["key"], values[round % 3] ?? "")]);
      writing = false;
    })();
    let reads = 0;
    while (writing) {
      const [entry] = await reader.get([["key"]]);
      const [listed] = await Array.fromAsync(reader.list([]));
      assert(values.some((value) => value === entry?.value) && values.some((value) => value === listed?.value));
      reads++;
    }
    await written;
    assert(reads > 0);
  });
});
