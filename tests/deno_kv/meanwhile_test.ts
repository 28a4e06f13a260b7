/** The Deno KV backend while another process changes what it is just reading or about to commit. @module */

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import {
  type DenoKvAtomic,
  DenoKvBackend,
  type DenoKvBackendOptions,
  type DenoKvEntry,
  type DenoKvEntryMaybe,
  type DenoKvKey,
} from "../../backends/deno_kv.ts";
import { BackendClosedError, BackendCorruptError, BackendUnavailableError } from "../../src/errors.ts";
import { collect } from "../../src/storage/es2024.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { claim, claimIds, commit, lease, message, QUEUE, record, stored, valueOf } from "../../src/testing/steps.ts";
import { turn } from "../storage/stand_in.ts";
import { FaultyKv } from "./faulty_kv.ts";
import { withPath } from "./support.ts";

/** Stored in two pieces. */
const LONG = "long ".repeat(20_000);

/** A client at which a test can let another process come in between. */
class SharedKv extends FaultyKv {
  /** So many commits from now on meet another process. */
  conflictsLeft = 0;
  /** What happens before entries of a kind, the second part of their keys, are read by their keys. */
  beforeRead: { readonly kind: string; times: number; readonly run: () => Promise<unknown> } | null = null;

  /** What listings wait for. */
  gate: Promise<void> = Promise.resolve();

  override async getMany(keys: readonly DenoKvKey[]): Promise<readonly DenoKvEntryMaybe[]> {
    const { beforeRead } = this;
    if (beforeRead && beforeRead.times > 0 && keys.some(([, kind]) => kind === beforeRead.kind)) {
      beforeRead.times--;
      await beforeRead.run();
    }
    return await super.getMany(keys);
  }

  override async *list(...parameters: Parameters<FaultyKv["list"]>): AsyncGenerator<DenoKvEntry> {
    await this.gate;
    yield* super.list(...parameters);
  }

  override atomic(): DenoKvAtomic {
    const atomic = super.atomic();
    const { commit } = atomic;
    atomic.commit = () => this.conflictsLeft-- > 0 ? Promise.resolve({ ok: false }) : commit();
    return atomic;
  }
}

/** Runs a test on a backend with such a client, and on another process's. */
async function withAnother(
  test: (backend: DenoKvBackend, kv: SharedKv, other: DenoKvBackend, path: string) => Promise<void>,
  options: DenoKvBackendOptions = {},
): Promise<void> {
  await withPath(async (path) => {
    const kv = new SharedKv(await Deno.openKv(path));
    try {
      await using backend = new DenoKvBackend({ kv, ...options });
      await using other = new DenoKvBackend({ path });
      await backend.ping();
      await test(backend, kv, other, path);
    } finally {
      kv.close();
    }
  });
}

Deno.test("get() and list() give a long record that was replaced during the read as it is now", async () => {
  await withAnother(async (backend, kv, other) => {
    const read = {
      get: async () => (await backend.get([["long"]])).map((entry) => entry?.value),
      list: async () => (await collect(backend.list([]))).map(({ value }) => value),
    };
    for (const [name, call] of Object.entries(read)) {
      await commit(backend, [record(["long"], LONG)]);
      for (const next of [`${name} ${LONG}`, `${name} short`]) {
        kv.beforeRead = { kind: "p", times: 1, run: () => commit(other, [record(["long"], next)]) };
        assertEquals(await call(), [next]);
        await commit(backend, [record(["long"], LONG)]);
      }
      kv.beforeRead = { kind: "p", times: 1, run: () => commit(other, [{ type: "delete", key: ["long"] }]) };
      assertEquals((await call()).filter((value) => value !== undefined), []);
    }
  });
});

Deno.test("get() gives up on a long record that changes during every read", async () => {
  await withAnother(async (backend, kv, other) => {
    let changes = 0;
    await commit(backend, [record(["long"], LONG)]);
    const change = () => commit(other, [record(["long"], `${++changes} ${LONG}`)]);
    kv.beforeRead = { kind: "p", times: Infinity, run: change };
    await assertRejects(() => backend.get([["long"]]), BackendUnavailableError, "kept changing the same record");
    kv.beforeRead = null;
    assertEquals(await valueOf(backend, ["long"]), `${changes} ${LONG}`);
  });
});

Deno.test("get() tells of a long record that has lost a piece", async () => {
  await withAnother(async (backend, _kv, _other, path) => {
    await commit(backend, [record(["long"], LONG)]);
    {
      using raw = await Deno.openKv(path);
      for await (const { key } of raw.list({ prefix: ["ao", "p"] }, { limit: 1 })) await raw.delete(key);
    }
    await assertRejects(() => backend.get([["long"]]), BackendCorruptError, "pieces of a record are missing");
  });
});

Deno.test("messages() and claim() pass over a long message that is purged in that moment", async () => {
  await withAnother(async (backend, kv, other) => {
    const calls = {
      messages: async () => (await stored(backend, "ready")).map(({ id }) => id),
      claim: () => claimIds(backend, 10),
    };
    for (const call of Object.values(calls)) {
      await commit(backend, [message("long", { value: LONG, dedupeMs: 0 }), message("short", { dedupeMs: 0 })]);
      const purge = () => commit(other, [{ type: "purge", queue: QUEUE, id: "long" }]);
      kv.beforeRead = { kind: "p", times: 1, run: purge };
      assertEquals(await call(), ["short"]);
      await commit(other, [{ type: "purge", queue: QUEUE, id: "short" }]);
    }
  });
});

Deno.test("purge and redrive look again where a message moves or goes while they look for it", async () => {
  await withAnother(async (backend, kv, other) => {
    const purge = { type: "purge", queue: QUEUE, id: "a" } as const;
    await commit(backend, [message("a", { dedupeMs: 0 })]);
    kv.beforeRead = { kind: "m", times: 1, run: () => commit(other, [purge]) };
    assertEquals(await commit(backend, [purge]), [{ type: "purge", found: false }]);

    await commit(backend, [message("a", { dedupeMs: 0 })]);
    kv.beforeRead = { kind: "m", times: 1, run: () => claim(other, 1) };
    assertEquals(await commit(backend, [purge]), [{ type: "purge", found: true }]);

    await commit(backend, [message("a", { dedupeMs: 0 })]);
    const [delivery] = await claim(backend, 1);
    assert(delivery);
    await commit(backend, [{ type: "bury", ...lease(delivery) }]);
    kv.beforeRead = { kind: "m", times: 1, run: () => commit(other, [purge]) };
    assertEquals(await commit(backend, [{ type: "redrive", queue: QUEUE, id: "a" }]), [
      { type: "redrive", found: false },
    ]);
  });
});

Deno.test("clear(), recover() and commits together go on through one conflict after the other", async () => {
  const clock = new ManualClock();
  await withAnother(async (backend, kv) => {
    await commit(backend, [record(["a"], 1), record(["b"], 2)]);
    kv.conflictsLeft = 3;
    assertEquals(await backend.clear([]), 2);
    assertEquals(await backend.count([]), 0);

    await commit(backend, [message("a")]);
    await claim(backend, 1, 1000);
    await clock.advance(1000);
    kv.conflictsLeft = 3;
    assertEquals(await backend.recover(QUEUE), 1);
    assertEquals(await claimIds(backend, 10), ["a"]);

    kv.conflictsLeft = 6;
    const results = await Promise.all(["x", "y"].map((name) => backend.commit({ operations: [record([name], name)] })));
    assertEquals(results.map(({ committed }) => committed), [true, true]);
    assertEquals([await valueOf(backend, ["x"]), await valueOf(backend, ["y"])], ["x", "y"]);
  }, { clock });
});

Deno.test("commit() gives up where it always meets another process, and did not happen", async () => {
  await withAnother(async (backend, kv) => {
    kv.conflictsLeft = Infinity;
    // On a busy machine the time may also be over in the middle of a try, and then that is what it says.
    await assertRejects(() => commit(backend, [record(["a"], 1)]), BackendUnavailableError);
    kv.conflictsLeft = 0;
    assertEquals(await backend.get([["a"]]), [null]);
  }, { timeoutMs: 300 });
});

Deno.test("clear() takes a tracked record whose feed was forgotten", async () => {
  await withAnother(async (backend, _kv, _other, path) => {
    await commit(backend, [{ ...record(["a", "b"], 1), tracked: true }]);
    {
      using raw = await Deno.openKv(path);
      for await (const { key } of raw.list({ prefix: ["ao", "f"] })) await raw.delete(key);
    }
    assertEquals(await backend.clear([]), 1);
    assertEquals((await backend.changes(["a"])).entries, []);
  });
});

Deno.test("commits of one record that travel together give versions of their own, and the last one counts", async () => {
  await withAnother(async (backend) => {
    const results = await Promise.all([1, 2, 3].map((value) => commit(backend, [record(["a"], value)])));
    const versions = results.map(([result]) => result?.type === "set" ? result.version : "");
    assertEquals(new Set(versions).size, 3);
    const [entry] = await backend.get([["a"]]);
    assertEquals([entry?.value, entry?.version], [3, versions[2]]);
    assertNotEquals(versions[0], entry?.version);
  });
});

Deno.test("a refused batch leaves nothing behind of what was written ahead for it", async () => {
  await withAnother(async (backend, _kv, _other, path) => {
    const operations = [record(["long"], "x".repeat(400_000)), record(["short"], 1), {
      type: "delete" as const,
      key: ["old"],
    }];
    await commit(backend, [record(["old"], 1)]);
    const refused = await backend.commit({ checks: [{ key: ["old"], version: null }], operations });
    assertEquals(refused.committed, false);
    using raw = await Deno.openKv(path);
    for (const kind of ["p", "o"]) assertEquals(await collect(raw.list({ prefix: ["ao", kind] })), []);
    await commit(backend, operations);
    assertEquals([await valueOf(backend, ["short"]), await backend.get([["old"]])], [1, [null]]);
    assertEquals(String(await valueOf(backend, ["long"])).length, 400_000);
  });
});

Deno.test("messages() gives more delayed messages than a page, in the order of their times", async () => {
  await withAnother(async (backend) => {
    const ids = Array.from({ length: 230 }, (_, index) => `m${index}`);
    const operations = ids.map((id, index) => message(id, { delayMs: 600_000 + 1000 * index }));
    for (let start = 0; start < operations.length; start += 50) {
      await commit(backend, operations.slice(start, start + 50));
    }
    assertEquals((await stored(backend, "delayed")).map(({ id }) => id), ids);
  });
});

Deno.test("close() waits for a listing that waits for the engine", async () => {
  await withAnother(async (backend, kv) => {
    await commit(backend, [record(["a"], 1)]);
    let open = () => {};
    kv.gate = new Promise((resolve) => open = resolve);
    const listing = backend.list([])[Symbol.asyncIterator]();
    const first = listing.next();
    let isClosed = false;
    const closing = backend.close().then(() => isClosed = true);
    await turn();
    assertEquals(isClosed, false);
    open();
    assertEquals((await first).value.value, 1);
    await closing;
    await assertRejects(() => listing.next(), BackendClosedError);
  });
});

Deno.test("a commit that finds the client closed did not happen", async () => {
  await withPath(async (path) => {
    const kv = await FaultyKv.open(path);
    await using backend = new DenoKvBackend({ kv });
    await backend.ping();
    kv.beforeCommit = () => Promise.resolve(kv.close());
    await assertRejects(() => commit(backend, [record(["a"], 1)]), BackendUnavailableError);
  });
});

Deno.test("claim() takes no message before one of a higher priority, and tells them in the order of the line, where processes contend", async () => {
  await withAnother(async (backend, kv) => {
    // Each in an entry of its own, so that there is somewhere to begin but at the first.
    for (let n = 0; n < 40; n++) {
      await commit(backend, [message(`m${n}`, { priority: n % 8 === 0 ? 9 : n % 4 === 0 ? 7 : 5 })]);
    }
    const claimed: number[] = [];
    while (claimed.length < 40) {
      kv.conflictsLeft = 3;
      const priorities = (await claim(backend, 4)).map(({ priority }) => priority);
      assertEquals(priorities, priorities.toSorted((a, b) => b - a));
      claimed.push(...priorities);
    }
    assertEquals(claimed, claimed.toSorted((a, b) => b - a));
  });
});

Deno.test("claim() tells messages in the order of the line, though one of a higher priority came while it was being made", async () => {
  await withAnother(async (backend, kv, other) => {
    for (let n = 0; n < 60; n++) await commit(backend, [message(`m${n}`)]);
    let commits = 0;
    kv.beforeCommit = async () => {
      if (++commits === 1) await commit(other, [message("late", { priority: 9 })]);
    };
    const claimed = await claim(backend, 61);
    assertEquals(claimed.map(({ id }) => id), ["late", ...Array.from({ length: 60 }, (_, n) => `m${n}`)]);
  });
});
