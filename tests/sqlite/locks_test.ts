/** What happens while another connection holds a lock, and to the event loop while this one is busy. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend } from "../../backends/sqlite.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { codeOf, message, QUEUE, until, withBackend, withFile } from "./files.ts";

/** What a call may take beside its time limit, on a machine that is busy with other things. */
const GRACE_MS = 3000;

Deno.test("a call that meets a lock fails with BACKEND_UNAVAILABLE in its time, and nothing has happened", async () => {
  await withBackend(async (backend, path) => {
    await backend.commit({ operations: [message("before")] });
    const free = lock(path);
    const startedAt = Date.now();
    const codes = await Promise.all([
      codeOf(backend.commit({ operations: [message("a"), { type: "set", key: ["key"], value: 1 }] })),
      codeOf(backend.commit({ operations: [message("b")] })),
      codeOf(backend.claim(QUEUE, { leaseMs: 1000 })),
      codeOf(backend.recover()),
      codeOf(backend.clear([])),
    ]);
    const tookMs = Date.now() - startedAt;
    for (const code of codes) assertEquals(code, "BACKEND_UNAVAILABLE");
    assert(tookMs >= 200 && tookMs < 200 + GRACE_MS, `it took ${tookMs} ms`);
    free();
    assertEquals(await backend.stats(QUEUE), { ready: 1, delayed: 0, leased: 0, dead: 0, nextDueInMs: null });
    assertEquals(await backend.get([["key"]]), [null]);
    await backend.commit({ operations: [message("a")] });
    assertEquals((await backend.claim(QUEUE, { leaseMs: 1000, limit: 9 })).map(({ id }) => id), ["before", "a"]);
  }, { busyTimeoutMs: 200 });
});

Deno.test("a call that meets a lock says which backend was locked, and for how long it waited", async () => {
  await withBackend(async (backend, path) => {
    await backend.get([["key"]]);
    const free = lock(path);
    const commit = () => backend.commit({ operations: [] });
    const error = await assertRejects(commit, BackendUnavailableError, "store.sqlite");
    assert(error.message.includes("locked for 50 ms"), error.message);
    assert(error.cause instanceof Error);
    free();
  }, { busyTimeoutMs: 50 });
});

Deno.test("a call that meets a lock goes on when it is free, and the event loop goes on meanwhile", async () => {
  await withBackend(async (backend, path) => {
    await backend.commit({ operations: [message("a")] });
    const free = lock(path);
    let done = 0;
    const calls = [
      backend.commit({ operations: [message("b")] }),
      backend.claim(QUEUE, { leaseMs: 1000 }),
    ].map((call: Promise<unknown>) => call.then(() => done++));
    let turns = 0;
    await until("the event loop has turned often", () => ++turns > 20);
    assertEquals(done, 0);
    assertEquals((await backend.get([["key"]]))[0], null, "who reads does not wait for who writes");
    free();
    await Promise.all(calls);
    assertEquals((await backend.stats(QUEUE)).leased, 1);
  }, { busyTimeoutMs: 60_000 });
});

Deno.test("a lock is waited for in real time, also where another clock decides about leases", async () => {
  const clock = new ManualClock();
  await withBackend(async (backend, path) => {
    await backend.get([["key"]]);
    const free = lock(path);
    assertEquals(await codeOf(backend.commit({ operations: [message("a")] })), "BACKEND_UNAVAILABLE");
    assertEquals(clock.timers, 0);
    free();
  }, { busyTimeoutMs: 50, clock });
});

Deno.test("calls that come while others wait for a lock do not wait longer than each may", async () => {
  await withBackend(async (backend, path) => {
    await backend.get([["key"]]);
    const free = lock(path);
    const outcomes: Promise<{ code: unknown; tookMs: number }>[] = [];
    const send = (id: string) => {
      const startedAt = Date.now();
      outcomes.push(
        codeOf(backend.commit({ operations: [message(id)] })).then((code) => ({
          code,
          tookMs: Date.now() - startedAt,
        })),
      );
    };
    let sent = 0;
    await until("some have failed while others came", async () => {
      send(`m${sent++}`);
      const first = await Promise.race([outcomes[0], Promise.resolve(null)]);
      return first !== null && first !== undefined && sent > 20;
    });
    for (const { code, tookMs } of await Promise.all(outcomes)) {
      assertEquals(code, "BACKEND_UNAVAILABLE");
      assert(tookMs < 100 + GRACE_MS, `it took ${tookMs} ms`);
    }
    free();
    assertEquals((await backend.stats(QUEUE)).ready, 0);
  }, { busyTimeoutMs: 100 });
});

Deno.test("close() waits for calls that wait for a lock, and lets go of the file", async () => {
  await withFile(async (path) => {
    const backend = new SqliteBackend({ path, busyTimeoutMs: 60_000 });
    await backend.get([["key"]]);
    const free = lock(path);
    let closed = false;
    const sent = backend.commit({ operations: [message("a")] });
    const closing = backend.close().then(() => closed = true);
    assertEquals(await codeOf(backend.commit({ operations: [message("b")] })), "BACKEND_CLOSED");
    let turns = 0;
    await until("the event loop has turned often", () => ++turns > 10);
    assertEquals(closed, false);
    free();
    assertEquals((await sent).committed, true);
    await closing;
    await using again = new SqliteBackend({ path });
    assertEquals((await again.stats(QUEUE)).ready, 1);
  });
});

Deno.test("a file that is locked as a whole when it is to be opened is waited for", async () => {
  await withFile(async (path) => {
    const other = new DatabaseSync(path);
    other.exec("BEGIN EXCLUSIVE");
    await using hasty = new SqliteBackend({ path, busyTimeoutMs: 50 });
    assertEquals(await codeOf(hasty.get([["key"]])), "BACKEND_UNAVAILABLE");
    await using patient = new SqliteBackend({ path, busyTimeoutMs: 60_000 });
    const reading = patient.get([["key"]]);
    let turns = 0;
    await until("the event loop has turned often", () => ++turns > 10);
    other.exec("ROLLBACK");
    other.close();
    assertEquals(await reading, [null]);
    assertEquals(await hasty.get([["key"]]), [null]);
  });
});

Deno.test("timers fire while calls follow one another without end", async () => {
  await using backend = new SqliteBackend({ path: ":memory:" });
  for (
    const [name, call] of [
      ["commit", () => backend.commit({ operations: [{ type: "set", key: ["key"], value: 1 }] })],
      ["get", () => backend.get([["key"]])],
    ] as const
  ) {
    let fired = 0;
    const timer = setInterval(() => fired++, 1);
    const deadline = Date.now() + 20_000;
    while (fired < 5) {
      assert(Date.now() < deadline, `no timer fires during ${name}()`);
      await call();
    }
    clearInterval(timer);
  }
});

/** Locks a file against writers, and returns what frees it. */
function lock(path: string): () => void {
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  return () => {
    other.exec("ROLLBACK");
    other.close();
  };
}
