/** Opening and closing the Deno KV backend: files, the caller's own client, formats, namespaces, options. @module */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { openKv } from "@deno/kv";
import { type DenoKv, DenoKvBackend, type DenoKvBackendOptions } from "../../backends/deno_kv.ts";
import {
  BackendClosedError,
  BackendCorruptError,
  BackendUnavailableError,
  SchemaNewerError,
} from "../../src/errors.ts";
import { claimIds, commit, message, record } from "../../src/testing/steps.ts";
import { stored, withPath } from "./support.ts";

Deno.test("new DenoKvBackend() opens nothing before the first call", async () => {
  await withPath(async (path) => {
    await using backend = new DenoKvBackend({ path });
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
    assertEquals((await backend.ping()).healthy, true);
    assert((await Deno.stat(path)).isFile);
  });
});

Deno.test("close() closes a backend that was never opened", async () => {
  const backend = new DenoKvBackend({ path: "/nowhere/kv.db" });
  await backend.close();
  await assertRejects(() => backend.get([["key"]]), BackendClosedError);
});

Deno.test("close() leaves the caller's own client open", async () => {
  await withPath(async (path) => {
    using kv = await Deno.openKv(path);
    const backend = new DenoKvBackend({ kv });
    await commit(backend, [record(["key"], 1)]);
    await backend.close();
    assertEquals((await kv.get(["ao", "format"])).value, 1);
  });
});

Deno.test("a client of npm:@deno/kv serves as well", async () => {
  await withPath(async (path) => {
    const kv: DenoKv = await openKv(path);
    await using backend = new DenoKvBackend({ kv });
    const large = "é".repeat(100_000);
    await commit(backend, [record(["key"], large), message("a"), message("b", { value: large })]);
    assertEquals((await backend.get([["key"]]))[0]?.value, large);
    assertEquals((await backend.stats(["queue"])).ready, 2);
    assertEquals(await claimIds(backend, 10), ["a", "b"]);
    assertEquals(await backend.clear([]), 1);
    const operations = Array.from({ length: 100 }, (_, index) => record([String(index).padEnd(1000)], 1));
    await assertRejects(() => backend.commit({ operations }), RangeError);
    await backend.close();
    kv.close();
  });
});

Deno.test("a file that cannot be opened is BACKEND_UNAVAILABLE, and is opened once it can be", async () => {
  await withPath(async (path) => {
    const directory = `${path}-directory`;
    await using backend = new DenoKvBackend({ path: `${directory}/kv.db` });
    await assertRejects(() => backend.get([["key"]]), BackendUnavailableError);
    const health = await backend.ping();
    assert(!health.healthy && /unable to open/.test(health.error ?? ""), health.error);
    await Deno.mkdir(directory);
    assertEquals(await backend.get([["key"]]), [null]);
  });
});

Deno.test("a file that is no database is refused and left alone", async () => {
  await withPath(async (path) => {
    await Deno.writeTextFile(path, "This is a letter, and no database. ".repeat(100));
    const before = await Deno.readTextFile(path);
    await using backend = new DenoKvBackend({ path });
    await assertRejects(() => commit(backend, [record(["key"], 1)]), BackendCorruptError);
    assertEquals(await Deno.readTextFile(path), before);
  });
});

Deno.test("a store of a newer format is refused and left alone", async () => {
  await withPath(async (path) => {
    {
      using kv = await Deno.openKv(path);
      await kv.set(["ao", "format"], 2);
    }
    const backend = new DenoKvBackend({ path });
    const error = await assertRejects(() => commit(backend, [record(["key"], 1)]), SchemaNewerError);
    assertEquals(error.code, "BACKEND_SCHEMA_NEWER");
    await backend.close();
    assertEquals(await stored(path), { format: 1 });
  });
});

Deno.test("a namespace that holds something else is refused", async () => {
  await withPath(async (path) => {
    {
      using kv = await Deno.openKv(path);
      await kv.set(["ao", "format"], "A5, landscape");
    }
    await using backend = new DenoKvBackend({ path });
    await assertRejects(() => backend.get([["key"]]), BackendCorruptError);
  });
});

Deno.test("every entry is below the namespace", async () => {
  await withPath(async (path) => {
    const backend = new DenoKvBackend({ path, namespace: "mine" });
    await commit(backend, [record(["key"], "x".repeat(100_000)), message("a")]);
    await claimIds(backend, 1);
    await backend.close();
    using kv = await Deno.openKv(path);
    for await (const { key } of kv.list({ prefix: [] })) assertEquals(key[0], "mine");
  });
});

Deno.test("name tells where it is, without credentials", async () => {
  await using local = new DenoKvBackend({ path: "/tmp/some.db" });
  await using remote = new DenoKvBackend({ url: "https://user:secret@kv.example.com/db?token=secret" });
  assertEquals([local.name, remote.name], ["deno-kv:/tmp/some.db", "deno-kv:https://kv.example.com/db"]);
});

Deno.test("errors tell of a remote database that does not answer, without credentials", async () => {
  const token = Deno.env.get("DENO_KV_ACCESS_TOKEN");
  Deno.env.set("DENO_KV_ACCESS_TOKEN", "made-by-a-test");
  try {
    await using backend = new DenoKvBackend({ url: "http://user:s3cr@t@127.0.0.1:1/db?token=s3cr@t" });
    const error = await assertRejects(() => backend.get([["k"]]), BackendUnavailableError, "127.0.0.1:1/db");
    const { cause } = error;
    assert(cause instanceof Error);
    const { error: why } = await backend.ping();
    for (const text of [error.message, error.stack, cause.message, cause.stack, why]) {
      assert(text !== undefined && !text.includes("s3cr") && !text.includes("user"), text);
    }
  } finally {
    if (token === undefined) Deno.env.delete("DENO_KV_ACCESS_TOKEN");
    else Deno.env.set("DENO_KV_ACCESS_TOKEN", token);
  }
});

Deno.test("new DenoKvBackend() refuses options that break their rules, naming them", () => {
  const wrong: [DenoKvBackendOptions, RegExp][] = [
    [{ path: "a", url: "https://b" }, /path and url/],
    [{ url: "not a url" }, /url: it must be/],
    [{ namespace: "" }, /namespace: it must have 1 to 64/],
    [{ namespace: "x".repeat(65) }, /namespace: it must have 1 to 64/],
    [{ namespace: "\ud800" }, /namespace: it must be well-formed/],
    [{ timeoutMs: 0 }, /timeoutMs: it must be/],
    [{ pollMs: NaN }, /pollMs: it must be/],
  ];
  for (const [options, rule] of wrong) {
    const error = assertThrows(() => new DenoKvBackend(options));
    assert(error instanceof TypeError || error instanceof RangeError);
    assert(rule.test(error.message), error.message);
  }
});
