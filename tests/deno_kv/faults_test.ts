/** The Deno KV backend through faults of its engine: every call ends in time, and tells what became of it. @module */

import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { DenoKvBackend } from "../../backends/deno_kv.ts";
import { BackendCorruptError, BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import { LONG_MS } from "../../src/testing/case.ts";
import { claimIds, claimOne, commit, lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { FaultyKv } from "./faulty_kv.ts";
import { withFaulty, withPath } from "./support.ts";

Deno.test("commit() is tried again while the database is locked", async () => {
  await withFaulty({}, async (backend, kv) => {
    await backend.ping();
    const from = kv.committed.length;
    kv.commits = (number) => number <= from + 5 ? "locked" : "none";
    await commit(backend, [message("a")]);
    assertEquals(kv.committed.length, from + 6);
    assertEquals(await claimIds(backend, 10), ["a"]);
  });
});

Deno.test("commit() gives up on a database that stays locked, within its time limit, and did not happen", async () => {
  await withFaulty({ timeoutMs: 300 }, async (backend, kv) => {
    await backend.ping();
    kv.commits = () => "locked";
    const startedAt = performance.now();
    const error = await assertRejects(() => commit(backend, [message("a")]), BackendUnavailableError);
    assert(error.message.includes("database is locked"), error.message);
    assertLess(performance.now() - startedAt, 1300);
    kv.commits = () => "none";
    assertEquals(await claimIds(backend, 10), []);
  });
});

Deno.test("commit() tells that the outcome is unknown, and to send the id again doubles nothing", async () => {
  await withFaulty({ timeoutMs: 300 }, async (backend, kv) => {
    for (const fault of ["unanswered", "broken", "silent"] as const) {
      await backend.ping();
      kv.commits = () => fault;
      const startedAt = performance.now();
      await assertRejects(() => commit(backend, [message(fault)]), OutcomeUnknownError);
      assertLess(performance.now() - startedAt, 1300);
      kv.commits = () => "none";
      const [result] = await commit(backend, [message(fault)]);
      assertEquals(result, { type: "enqueue", duplicate: fault === "unanswered" });
    }
    assertEquals(await claimIds(backend, 10), ["unanswered", "broken", "silent"]);
  });
});

Deno.test("every call ends within its time limit while the engine is silent, also those that wait their turn", async () => {
  await withFaulty({ timeoutMs: 300 }, async (backend, kv) => {
    await commit(backend, [message("a")]);
    kv.reads = "silent";
    kv.commits = () => "silent";
    const startedAt = performance.now();
    const calls = Array.from({ length: 500 }, (_, index) => [
      backend.commit({ operations: [message(`m${index}`)] }),
      backend.claim(QUEUE, { leaseMs: LONG_MS }),
    ]).flat();
    for (const outcome of await Promise.allSettled(calls)) {
      assert(outcome.status === "rejected" && outcome.reason instanceof BackendUnavailableError);
    }
    assertLess(performance.now() - startedAt, 1300);
    kv.reads = "none";
    kv.commits = () => "none";
    assertEquals(await claimIds(backend, 10), ["a"]);
  });
});

Deno.test("commit() does nothing when its time is over before its turn comes", async () => {
  await withFaulty({ timeoutMs: 300 }, async (backend) => {
    await backend.ping();
    const startedAt = performance.now();
    const committing = backend.commit({ operations: [message("a")] });
    while (performance.now() - startedAt <= 300); // the process is busy with something else
    await assertRejects(() => committing, BackendUnavailableError, "took too long");
    assertEquals(await claimIds(backend, 10), []);
  });
});

Deno.test("an acknowledgement whose answer was lost can be told apart from one that did not happen", async () => {
  await withFaulty({}, async (backend, kv) => {
    await commit(backend, [message("a"), message("b")]);
    for (const fault of ["unanswered", "broken"] as const) {
      const delivery = await claimOne(backend);
      const ack = { operations: [{ type: "ack", ...lease(delivery) }] } as const;
      kv.commits = () => fault;
      await assertRejects(() => backend.commit(ack), OutcomeUnknownError);
      kv.commits = () => "none";
      assertEquals((await backend.commit(ack)).committed, fault === "broken");
    }
  });
});

Deno.test("a damaged entry fails the calls that need it, and no others", async () => {
  await withFaulty({}, async (backend, _kv, path) => {
    await commit(backend, [record(["good"], 1), record(["bad"], 1)]);
    {
      using raw = await Deno.openKv(path);
      await raw.set(["ao", "k", "bad\x01"], { something: "else" });
    }
    await assertRejects(() => backend.get([["bad"]]), BackendCorruptError);
    const [bad, good, sent] = await Promise.allSettled([
      backend.commit({ operations: [record(["bad"], 2)] }),
      backend.commit({ operations: [record(["good"], 2)] }),
      backend.commit({ operations: [message("a")] }),
    ]);
    assert(bad?.status === "rejected" && bad.reason instanceof BackendCorruptError);
    assertEquals([good?.status, sent?.status], ["fulfilled", "fulfilled"]);
  });
});

Deno.test("a damaged entry in a queue fails the claims of that queue, and no others", async () => {
  await withFaulty({}, async (backend, _kv, path) => {
    await commit(backend, [message("a", { queue: ["bad"] }), message("b", { queue: ["good"] })]);
    {
      using raw = await Deno.openKv(path);
      for await (const { key } of raw.list({ prefix: ["ao", "m", "bad\x01"] })) await raw.set(key, "something else");
    }
    const [bad, good] = await Promise.allSettled(
      ["bad", "good"].map((name) => backend.claim([name], { leaseMs: LONG_MS })),
    );
    assert(bad?.status === "rejected" && bad.reason instanceof BackendCorruptError);
    assert(good?.status === "fulfilled" && good.value[0]?.id === "b");
  });
});

Deno.test("a batch that meets another handle's write is decided again, and those beside it are not refused", async () => {
  await withFaulty({}, async (backend, kv, path) => {
    await using other = new DenoKvBackend({ path });
    await commit(backend, [record(["hot"], 0), record(["cold"], 0)]);
    const versions = (await backend.get([["hot"], ["cold"]])).map((entry) => entry?.version ?? null);
    kv.beforeCommit = async () => {
      kv.beforeCommit = () => Promise.resolve();
      await commit(other, [record(["hot"], "theirs")]);
    };
    const batches = ["hot", "cold"].map((name, index) => ({
      checks: [{ key: [name], version: versions[index] ?? null }],
      operations: [record([name], "ours")],
    }));
    const [hot, cold] = await Promise.all(batches.map((batch) => backend.commit(batch)));
    assertEquals(hot, { committed: false, reason: "conflict", index: 0 });
    assertEquals(cold?.committed, true);
    const entries = await backend.get([["hot"], ["cold"]]);
    assertEquals(entries.map((entry) => entry?.value), ["theirs", "ours"]);
  });
});

Deno.test("claims of two handles at once rarely meet, and never give a message twice", async () => {
  await withPath(async (path) => {
    const clients = [await FaultyKv.open(path), await FaultyKv.open(path)];
    const handles = clients.map((kv) => new DenoKvBackend({ kv }));
    const [first] = handles;
    assert(first);
    const ids = Array.from({ length: 2000 }, (_, index) => `m${index}`);
    for (let start = 0; start < ids.length; start += 100) {
      await commit(first, ids.slice(start, start + 100).map((id) => message(id)));
    }
    const claimed: string[] = [];
    let claims = 0;
    await Promise.all(handles.map(async (handle) => {
      for (let empty = false; !empty; claims++) {
        const deliveries = await handle.claim(QUEUE, { leaseMs: LONG_MS, limit: 20 });
        claimed.push(...deliveries.map(({ id }) => id));
        empty = deliveries.length === 0;
      }
    }));
    assertEquals(claimed.toSorted(), ids.toSorted());
    const conflicts = clients.reduce((sum, client) => sum + client.conflicts, 0);
    assertLess(conflicts, claims / 2, `${claims} claims met ${conflicts} times`);
    for (const handle of handles) await handle.close();
    for (const client of clients) client.close();
  });
});

Deno.test("a message that is never settled goes to the dead, whichever handles notice", async () => {
  await withPath(async (path) => {
    await using one = new DenoKvBackend({ path });
    await using two = new DenoKvBackend({ path });
    await commit(one, [message("a", { maxAttempts: 3 })]);
    const deadlineMs = performance.now() + 10_000;
    let deliveries = 0;
    while ((await one.stats(QUEUE)).dead === 0) {
      assertLess(performance.now(), deadlineMs);
      for (const claimed of await Promise.all([one, two].map((each) => each.claim(QUEUE, { leaseMs: 1 })))) {
        deliveries += claimed.length;
      }
    }
    assertEquals(deliveries, 3);
    assertEquals((await Array.fromAsync(two.messages(QUEUE, "dead"))).map(({ attempts }) => attempts), [3]);
  });
});

Deno.test("a token that somebody made up does no harm to the lease that it resembles", async () => {
  await withFaulty({}, async (backend) => {
    await commit(backend, [message("a")]);
    const delivery = await claimOne(backend);
    const [rank = "", atMs = ""] = delivery.token.split(".");
    const forged = [`${rank}.${Number(atMs) + 1}`, `${rank}.`, `${rank}.1.2`, `.${atMs}`, atMs].map((token) => ({
      ...lease(delivery),
      token,
    }));
    const elsewhere = { ...lease(delivery), queue: ["other"] };
    const results = await Promise.all(
      [...forged, elsewhere, lease(delivery)].map((each) => backend.commit({ operations: [{ type: "ack", ...each }] })),
    );
    assertEquals(results.map(({ committed }) => committed), [false, false, false, false, false, false, true]);
  });
});
